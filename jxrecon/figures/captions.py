"""What the numbers and the figures of a report mean, in the words that the report shows."""

# name -> (unit, meaning); the order is that of the table
METRICS: dict[str, tuple[str, str]] = {
    "r_factor": ("", "Σ|√model − √measured| / Σ√measured over the pixels that were fitted"),
    "r_factor_heldout": ("", "the same over pixels that the fit never saw: tells whether more unknowns were needed"),
    "r_factor_noise": ("", "what counting noise alone would give: a fit below it follows the noise"),
    "frc_half_bit_px": ("px", "resolved half period of two independent halves, half-bit threshold; 1 is Nyquist"),
    "frc_half_bit_nm": ("nm", "the same as a length; the full period is twice as long"),
    "frc_one_bit_px": ("px", "resolved half period at the one-bit threshold"),
    "frc_one_bit_nm": ("nm", "the same as a length"),
    "resolution_half_bit_voxels": (
        "voxels", "resolved half period of two volumes, from half of the angles each, half-bit threshold; 1 is Nyquist",
    ),
    "resolution_half_bit_nm": ("nm", "the same as a length; the full period is twice as long"),
    "resolution_one_bit_voxels": ("voxels", "resolved half period at the one-bit threshold"),
    "resolution_one_bit_nm": ("nm", "the same as a length"),
    "alignment_rms_px": (
        "px", "rms distance to the truth of projection shift, mean position correction and probe centroid together",
    ),
    "density_mean_error_fraction": ("", "error of the mean electron density inside the particle, relative to the truth"),
    "density_mean_error_inner_fraction": ("", "the same without the outermost voxel, which the edge shares with air"),
    "density_rmse_e_per_A3": ("e/Å³", "rms error of the electron density inside the particle"),
    "resolution_truth_voxels": ("voxels", "half period at which the shell correlation with the truth falls to one half"),
    "phase_rms_rad": ("rad", "rms error of the projected phase over all projections, a constant removed"),
    "phase_rms_worst_rad": ("rad", "the same of the worst single projection"),
    "fsc_at_nyquist": ("", "shell correlation with the truth at the Nyquist frequency"),
    "phase_rmse_rad": ("rad", "rms phase difference to the known truth, middle 55 %, gauge removed"),
    "amplitude_rmse": ("", "rms difference of the transmission's modulus to the known truth"),
    "position_rms_px": ("px", "rms distance of the positions to the known truth, common shift removed"),
    "seconds_per_epoch": ("s", "wall time of one pass over all frames, median, without compilation"),
    "peak_memory_mb": ("MB", "largest resident memory of the process"),
    "epochs": ("", "passes over all frames"),
}  # fmt: skip

# stem of the file -> (heading, caption)
CAPTIONS: dict[str, tuple[str, str]] = {
    "object_phase": (
        "Object: phase",
        "Phase of the transmission; matter is dark (negative). The offset and the linear ramp, which ptychography cannot "
        "determine, are taken out. Tinted: hardly lit by the scan.",
    ),
    "object_amplitude": (
        "Object: amplitude",
        "Modulus of the transmission, up to a common factor; 1 is no absorption.",
    ),
    "orthoslices": (
        "Electron density",
        "Slices across the rotation axis z and along it, through the middle of the volume. Dotted: where the other slices lie.",
    ),
    "rendering": (
        "The specimen",
        "Surface of the specimen with an octant taken away; the colours of the cut are electron density.",
    ),
    "sinogram": (
        "Sinogram",
        "Line integrals of the reconstructed density: one projection, and its dotted row at all angles.",
    ),
    "alignment": (
        "Alignment",
        "Displacement of the specimen's image at each rotation angle, across (u) and along (v) the axis; where the truth is "
        "known, the gauge is removed and the difference shown.",
    ),
    "density_histogram": ("Densities", "Distribution of the electron density inside the specimen."),
    "shell_correlation": (
        "Resolution",
        "Fourier shell correlation of two independent reconstructions, from every second angle each, registered. Resolved is "
        "what lies left of the crossing.",
    ),
    "probe_modes": (
        "Probe",
        "Incoherent modes of the illumination, orthogonal, strongest first: hue is phase, brightness is amplitude (each mode "
        "at its own scale). Per cent: share of the photons.",
    ),
    "scan_positions": (
        "Scan positions",
        "Nominal positions of the probe and the corrections that were found, enlarged; their common shift is no correction "
        "and is left out.",
    ),
    "shot_flux": ("Flux", "Intensity of each shot, in the order of the scan and over the specimen."),
    "patterns": (
        "Measured and predicted frames",
        "Counts on one logarithmic scale, and the difference in standard deviations of the counting noise. Grey: not "
        "measured. A good fit leaves white noise, of rms 1 where there are counts.",
    ),
    "loss": ("Objective", "Value of every term of the objective, times its weight, in nats."),
    "ring_correlation": (
        "Resolution",
        "Fourier ring correlation of two independent reconstructions, each from every second frame, registered. Resolved is "
        "what lies left of the crossing.",
    ),
}

"""Characteristic X-rays of the elements: where their lines lie, how strong they are, and what a beam excites of them.

    sigma_line(E0) = tau(E0) (1 - 1/J) w_K p_line            (cm^2 per g of the element, E0 above the K edge)

with tau the photoelectric absorption, J the jump of the K edge, w_K the fluorescence yield of the K shell and p_line the line's
share of its photons. tau comes from f2 (see `material`); at 17.3 keV the result lies 2 to 4 % below the Kissel cross-sections of
Mn, Co and Ni (8.41, 12.5, 15.6), nearly alike for the three. L lines, which are here to be told apart from K lines in a spectrum,
have energies and relative strengths alone, for excitation above all three L edges.

The numbers are those of xraylib 4.3, written down to four digits: a K group is K-alpha (weighted mean of both) and K-beta; an L
group L-alpha, L-beta-1, -2, -3 with -4, L-gamma-1 and L-l.
Schoonjans et al., Spectrochim. Acta B 66, 776 (2011), doi 10.1016/j.sab.2011.09.011
"""

import functools

from ..errors import InputError
from .material import Material

# element, K edge, K-alpha, K-beta (keV), share of K-beta, yield of the K shell, jump of the edge
K_TABLE = """
    Na 1.0721 1.0410 1.0721 0.0000 0.0213 11.840
    Mg 1.3050 1.2536 1.3050 0.0000 0.0291 12.020
    Al 1.5596 1.4867 1.5541 0.0130 0.0387 10.950
    Si 1.8389 1.7398 1.8359 0.0270 0.0504 10.370
    P 2.1455 2.0099 2.1356 0.0425 0.0642 9.969
    S 2.4720 2.3074 2.4640 0.0582 0.0804 9.613
    Cl 2.8224 2.6219 2.8156 0.0747 0.0989 9.309
    Ar 3.2060 2.9567 3.1902 0.0925 0.1199 9.054
    K 3.6074 3.3129 3.5896 0.1037 0.1432 9.163
    Ca 4.0381 3.6905 4.0127 0.1116 0.1687 8.744
    Sc 4.4928 4.0891 4.4605 0.1137 0.1962 8.551
    Ti 4.9664 4.5089 4.9318 0.1151 0.2256 8.366
    V 5.4651 4.9496 5.4273 0.1164 0.2564 8.242
    Cr 5.9892 5.4116 5.9467 0.1140 0.2885 8.045
    Mn 6.5390 5.8950 6.4904 0.1181 0.3213 7.999
    Fe 7.1120 6.3995 7.0580 0.1184 0.3546 7.893
    Co 7.7089 6.9252 7.6494 0.1190 0.3880 7.796
    Ni 8.3328 7.4723 8.2647 0.1194 0.4212 7.707
    Cu 8.9789 8.0411 8.9053 0.1180 0.4538 7.560
    Zn 9.6586 8.6311 9.5720 0.1204 0.4857 7.543
    Ga 10.3671 9.2426 10.2629 0.1232 0.5166 7.468
    Ge 11.1031 9.8758 10.9825 0.1277 0.5464 7.392
    As 11.8667 10.5315 11.7292 0.1318 0.5748 7.314
    Se 12.6578 11.2082 12.5020 0.1366 0.6019 7.225
    Br 13.4737 11.9081 13.3021 0.1409 0.6275 7.141
    Kr 14.3256 12.6328 14.1269 0.1439 0.6517 7.058
    Rb 15.1997 13.3750 14.9815 0.1478 0.6744 6.970
    Sr 16.1046 14.1420 15.8606 0.1515 0.6956 6.888
    Y 17.0384 14.9325 16.7675 0.1548 0.7155 6.814
    Zr 17.9976 15.7463 17.7008 0.1574 0.7340 6.749
    Nb 18.9856 16.5827 18.6603 0.1600 0.7512 6.683
    Mo 19.9995 17.4432 19.6489 0.1622 0.7672 6.539
"""
# element, L3 edge (keV), then energy (keV) and strength of each line, L-alpha = 1
L_TABLE = """
    Mo 2.5202 2.2929 1.000 2.3948 0.410 2.5184 0.034 2.4668 0.071 2.6233 0.014 2.0156 0.038
    Tc 2.6769 2.4236 1.000 2.5368 0.413 2.6749 0.044 2.6102 0.073 2.7912 0.019 2.1329 0.038
    Ru 2.8379 2.5581 1.000 2.6833 0.416 2.8359 0.055 2.7552 0.075 2.9649 0.023 2.2529 0.038
    Rh 3.0038 2.6963 1.000 2.8344 0.420 3.0013 0.067 2.9065 0.077 3.1436 0.029 2.3767 0.037
    Pd 3.1733 2.8381 1.000 2.9903 0.432 3.1718 0.081 3.0625 0.079 3.3288 0.036 2.5034 0.037
    Ag 3.3511 2.9838 1.000 3.1509 0.444 3.3478 0.091 3.2228 0.086 3.5204 0.042 2.6336 0.037
    Cd 3.5375 3.1331 1.000 3.3165 0.455 3.5282 0.101 3.3886 0.091 3.7177 0.047 2.7673 0.037
    In 3.7301 3.2862 1.000 3.4872 0.464 3.7139 0.110 3.5588 0.095 3.9218 0.052 2.9045 0.037
    Sn 3.9288 3.4431 1.000 3.6628 0.506 3.9049 0.118 3.7343 0.167 4.1322 0.061 3.0450 0.037
    Sb 4.1322 3.6037 1.000 3.8435 0.524 4.1008 0.126 3.9150 0.159 4.3490 0.067 3.1885 0.038
    Te 4.3414 3.7682 1.000 4.0295 0.535 4.3016 0.133 4.1009 0.177 4.5722 0.073 3.3354 0.038
    I 4.5571 3.9365 1.000 4.2208 0.538 4.5075 0.140 4.2918 0.178 4.8025 0.077 3.4850 0.038
    Xe 4.7822 4.1042 1.000 4.4143 0.531 4.7145 0.146 4.4883 0.174 5.0342 0.079 3.6335 0.038
    Cs 5.0119 4.2850 1.000 4.6199 0.541 4.9352 0.152 4.6904 0.174 5.2806 0.084 3.7948 0.038
    Ba 5.2470 4.4647 1.000 4.8275 0.545 5.1568 0.158 4.8974 0.174 5.5311 0.088 3.9542 0.039
    La 5.4827 4.6493 1.000 5.0421 0.546 5.3838 0.163 5.1109 0.172 5.7917 0.091 4.1214 0.039
    Ce 5.7234 4.8383 1.000 5.2629 0.550 5.6134 0.162 5.3287 0.171 6.0542 0.091 4.2888 0.039
    Pr 5.9643 5.0313 1.000 5.4893 0.553 5.8511 0.164 5.5548 0.170 6.3272 0.093 4.4533 0.040
    Hf 9.5607 7.8934 1.000 9.0230 0.620 9.3460 0.173 9.0505 0.209 10.5156 0.113 6.9598 0.046
    Ta 9.8811 8.1401 1.000 9.3429 0.619 9.6506 0.175 9.3666 0.203 10.8948 0.114 7.1731 0.046
    W 10.2068 8.3912 1.000 9.6724 0.666 9.9601 0.177 9.6883 0.173 11.2852 0.124 7.3872 0.047
    Re 10.5353 8.6457 1.000 10.0098 0.642 10.2737 0.179 10.0187 0.160 11.6850 0.121 7.6036 0.047
    Os 10.8709 8.9036 1.000 10.3542 0.607 10.5964 0.181 10.3593 0.151 12.0956 0.116 7.8224 0.048
    Ir 11.2152 9.1671 1.000 10.7080 0.582 10.9186 0.183 10.7046 0.162 12.5127 0.112 8.0415 0.048
    Pt 11.5638 9.4345 1.000 11.0711 0.574 11.2483 0.184 11.0597 0.120 12.9419 0.112 8.2662 0.050
    Au 11.9187 9.7043 1.000 11.4425 0.562 11.5830 0.186 11.4218 0.116 13.3816 0.111 8.4938 0.050
    Hg 12.2839 9.9798 1.000 11.8238 0.566 11.9227 0.188 11.7899 0.115 13.8302 0.113 8.7223 0.051
    Tl 12.6575 10.2584 1.000 12.2128 0.568 12.2693 0.190 12.1728 0.114 14.2913 0.115 8.9534 0.052
    Pb 13.0352 10.5408 1.000 12.6144 0.572 12.6201 0.192 12.5613 0.113 14.7648 0.117 9.1845 0.053
    Bi 13.4186 10.8280 1.000 13.0235 0.576 12.9763 0.194 12.9597 0.113 15.2475 0.119 9.4195 0.053
"""
K_LINES, L_LINES = ("Ka", "Kb"), ("La", "Lb1", "Lb2", "Lb3", "Lg1", "Ll")
PER_M_AND_CM = 100.0


@functools.cache
def _rows(table: str) -> dict[str, list[float]]:
    rows = [line.split() for line in table.strip().splitlines()]
    return {name: [float(number) for number in numbers] for name, *numbers in rows}


def _row(element: str, table: str, shell: str) -> list[float]:
    rows = _rows(table)
    if element not in rows:
        raise InputError(
            f"there are no {shell} lines of `{element}`; expected an element from {', '.join(rows)}."
        )
    return rows[element]


def edge_keV(group: str) -> float:
    """What a photon needs to excite a group such as `Fe` (K) or `La_L` (its L3 edge)."""
    element, _, shell = group.partition("_")
    return _row(element, L_TABLE, "L")[0] if shell == "L" else _row(element, K_TABLE, "K")[0]


def lines(group: str) -> dict[str, tuple[float, float]]:
    """Line -> (energy in keV, share of the group's photons), of a group such as `Fe` or `Fe_K` (K lines) or `La_L`."""
    element, _, shell = group.partition("_")
    if shell == "L":
        numbers = _row(element, L_TABLE, "L")[1:]
        total = sum(numbers[1::2])
        return {name: (numbers[2 * k], numbers[2 * k + 1] / total) for k, name in enumerate(L_LINES)}
    if shell not in ("", "K"):
        raise InputError(f"there is no group `{group}`; expected an element, or `Fe_K`, or `La_L`.")
    _, alpha, beta, share, *_ = _row(element, K_TABLE, "K")
    return {"Ka": (alpha, 1 - share), "Kb": (beta, share)}


def mass_attenuation_cm2_g(formula: str, energy_keV: float | int) -> float:
    """mu/rho of an element or a compound, photoelectric."""
    material = Material(formula)
    per_m = material.attenuation_per_m(material.electron_density(1.0), energy_keV)
    return float(per_m) / PER_M_AND_CM


def production_cm2_g(element: str, line: str, energy_keV: float | int) -> float:
    """sigma of the file's head, of the lines `Ka` or `Kb`; 0 below the edge."""
    edge, *_, fluorescence_yield, jump = _row(element, K_TABLE, "K")
    if energy_keV <= edge:
        return 0.0
    shell = mass_attenuation_cm2_g(element, energy_keV) * (1 - 1 / jump)
    return shell * fluorescence_yield * lines(element)[line][1]

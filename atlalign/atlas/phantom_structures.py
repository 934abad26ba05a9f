"""The structures of the phantom: a mouse-like hierarchy with its own ids, and how bright each is."""

from __future__ import annotations

import colorsys

from atlalign.atlas.structures import Structures

# id, acronym, name, parent, hue (0..360), brightness of its cells in the reference (None: takes no voxels)
_TABLE = """
1     root    whole brain                      -      0   -
2     grey    grey matter                      root   200 -
10    CH      cerebrum                         grey   150 -
11    CTX     cerebral cortex                  CH     140 -
12    ISO     isocortex                        CTX    130 -
13    OLF     olfactory areas                  CTX    165 -
14    HPF     hippocampal formation            CTX    110 -
15    CNU     cerebral nuclei                  CH     205 -
16    STR     striatum                         CNU    200 -
17    PAL     pallidum                         CNU    225 0.36
18    CTXsp   cortical subplate                CH     175 0.40
20    BS      brain stem                       grey   345 -
21    IB      interbrain                       BS     350 -
22    TH      thalamus                         IB     355 0.40
23    HY      hypothalamus                     IB     5   0.35
24    MB      midbrain                         BS     290 -
25    HB      hindbrain                        BS     30  -
26    P       pons                             HB     28  0.27
27    MY      medulla                          HB     35  0.25
28    CB      cerebellum                       grey   55  -
3     fiber   fibre tracts                     root   0   0.15
4     VS      ventricular systems              root   0   -
40    MOB     main olfactory bulb              OLF    160 -
41    MOBgl   main olfactory bulb, glomerular layer          MOB  158 0.55
42    MOBopl  main olfactory bulb, outer plexiform layer     MOB  160 0.20
43    MOBmi   main olfactory bulb, mitral layer              MOB  162 0.62
44    MOBgr   main olfactory bulb, granule layer             MOB  164 0.74
45    AOB     accessory olfactory bulb         OLF    150 0.50
46    AON     anterior olfactory nucleus       OLF    168 -
47    AONe    anterior olfactory nucleus, plexiform layer    AON  168 0.22
48    AONi    anterior olfactory nucleus, cell layer         AON  172 0.58
49    PIR     piriform area                    OLF    176 -
50    PIR1    piriform area, molecular layer   PIR    174 0.20
51    PIR2    piriform area, pyramidal layer   PIR    178 0.80
52    PIR3    piriform area, polymorph layer   PIR    182 0.42
60    HIP     hippocampal region               HPF    108 -
61    CA1     field CA1                        HIP    112 -
62    CA1m    field CA1, strata without pyramidal cells      CA1  114 0.23
63    CA1p    field CA1, pyramidal layer       CA1    118 0.90
64    CA3     field CA3                        HIP    100 -
65    CA3m    field CA3, strata without pyramidal cells      CA3  98  0.27
66    CA3p    field CA3, pyramidal layer       CA3    94  0.84
67    DG      dentate gyrus                    HIP    86  -
68    DGm     dentate gyrus, molecular layer   DG     84  0.21
69    DGg     dentate gyrus, granule layer     DG     80  0.94
70    DGp     dentate gyrus, polymorph layer   DG     76  0.38
71    SUB     subiculum                        HPF    120 0.44
72    ENT     entorhinal area                  HPF    126 -
73    ENT1    entorhinal area, layer 1         ENT    124 0.19
74    ENT2    entorhinal area, layer 2/3       ENT    127 0.56
75    ENT5    entorhinal area, layers 5 and 6  ENT    129 0.43
80    CP      caudoputamen                     STR    202 0.46
81    ACB     nucleus accumbens                STR    196 0.52
82    OT      olfactory tubercle               STR    190 0.60
83    LS      lateral septal nucleus           STR    208 0.47
84    CEA     central amygdalar nucleus        STR    212 0.50
85    MEA     medial amygdalar nucleus         STR    216 0.46
90    GPe     globus pallidus                  PAL    222 0.29
91    SI      substantia innominata            PAL    228 0.34
92    MS      medial septal nucleus            PAL    234 0.50
93    BST     bed nuclei of the stria terminalis             PAL  240 0.45
100   LA      lateral amygdalar nucleus        CTXsp  170 0.46
101   BLA     basolateral amygdalar nucleus    CTXsp  180 0.52
102   CLA     claustrum                        CTXsp  186 0.60
103   EP      endopiriform nucleus             CTXsp  188 0.48
110   AV      anteroventral nucleus            TH     350 0.56
111   MD      mediodorsal nucleus              TH     356 0.52
112   VP      ventral posterior complex        TH     2   0.46
113   LP      lateral posterior nucleus        TH     346 0.44
114   LGd     dorsal lateral geniculate nucleus              TH   342 0.54
115   MG      medial geniculate nucleus        TH     338 0.50
116   RT      reticular nucleus                TH     334 0.49
117   MH      medial habenula                  TH     330 0.88
118   LH      lateral habenula                 TH     326 0.55
119   RE      nucleus of reuniens              TH     8   0.54
130   MPO     medial preoptic area             HY     12  0.46
131   PVH     paraventricular nucleus          HY     16  0.78
132   VMH     ventromedial nucleus             HY     20  0.62
133   ARH     arcuate nucleus                  HY     24  0.70
134   LHA     lateral hypothalamic area        HY     14  0.32
135   MM      mammillary body                  HY     18  0.58
136   ZI      zona incerta                     HY     10  0.42
137   STN     subthalamic nucleus              HY     22  0.68
150   SC      superior colliculus              MB     286 -
151   SCs     superior colliculus, superficial layers        SC   282 0.52
152   SCd     superior colliculus, deep layers SC     288 0.34
153   IC      inferior colliculus              MB     294 0.50
154   PAG     periaqueductal grey              MB     300 0.47
155   MRN     midbrain reticular nucleus       MB     306 0.28
156   SN      substantia nigra                 MB     312 0.38
157   VTA     ventral tegmental area           MB     318 0.43
158   RN      red nucleus                      MB     322 0.52
159   IPN     interpeduncular nucleus          MB     310 0.66
170   PG      pontine grey                     P      26  0.66
171   V       motor nucleus of trigeminal      P      22  0.58
172   PRN     pontine reticular nucleus        P      32  0.27
173   SOC     superior olivary complex         P      38  0.50
180   VII     facial motor nucleus             MY     36  0.60
181   CN      cochlear nuclei                  MY     42  0.62
182   VN      vestibular nuclei                MY     46  0.36
183   NTS     nucleus of the solitary tract    MY     40  0.52
184   SPV     spinal nucleus of the trigeminal MY     44  0.36
185   IO      inferior olivary complex         MY     48  0.62
186   MRNm    medullary reticular nucleus      MY     34  0.25
200   CBX     cerebellar cortex                CB     58  -
201   CBXm    cerebellar cortex, molecular layer             CBX  60  0.22
202   CBXg    cerebellar cortex, granular layer              CBX  54  0.92
203   CBN     cerebellar nuclei                CB     48  0.42
220   cc      corpus callosum                  fiber  0   0.17
221   ec      external capsule                 fiber  0   0.16
222   aco     anterior commissure              fiber  0   0.13
223   fi      fimbria                          fiber  0   0.14
224   fx      fornix                           fiber  0   0.15
225   int     internal capsule                 fiber  0   0.16
226   cpd     cerebral peduncle                fiber  0   0.13
227   opt     optic tract                      fiber  0   0.12
228   sm      stria medullaris and habenular tracts          fiber 0  0.16
229   arb     arbor vitae                      fiber  0   0.15
230   py      pyramid                          fiber  0   0.13
231   mcp     middle cerebellar peduncle       fiber  0   0.14
232   lot     lateral olfactory tract          fiber  0   0.12
240   VL      lateral ventricle                VS     0   0.03
241   SEZ     subependymal zone                VS     0   0.86
242   V3      third ventricle                  VS     0   0.03
243   AQ      cerebral aqueduct                VS     0   0.03
244   V4      fourth ventricle                 VS     0   0.03
250   MRK     left-sided marker nucleus        CNU    245 0.76
"""

# acronym, name, hue, whether it has a layer 4
_AREAS = (
    ("FRP", "frontal pole", 96, False),
    ("ORB", "orbital area", 104, False),
    ("PL", "prelimbic area", 116, False),
    ("ACA", "anterior cingulate area", 122, False),
    ("RSP", "retrosplenial area", 128, False),
    ("MO", "somatomotor areas", 134, False),
    ("SSp", "primary somatosensory area", 140, True),
    ("SSs", "supplemental somatosensory area", 146, True),
    ("PTL", "posterior parietal area", 152, True),
    ("VIS", "visual areas", 158, True),
    ("AUD", "auditory areas", 144, True),
    ("TEa", "temporal association areas", 136, True),
    ("AI", "agranular insular area", 124, False),
)
# layer name, offset of its id in the area, brightness
_LAYERS = (("1", 1, 0.17), ("2/3", 2, 0.52), ("4", 3, 0.66), ("5", 4, 0.41), ("6", 5, 0.50))
_FIRST_AREA_ID = 1000
_AREA_STEP = 10


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue / 360, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _rows() -> list[tuple[int, str, str, str | None, float, float, float | None]]:
    """Return (id, acronym, name, parent, hue, saturation, brightness) of every structure."""
    rows: list[tuple[int, str, str, str | None, float, float, float | None]] = []
    for line in _TABLE.strip().splitlines():
        number, short, *words, parent, tint, written = line.split()
        colourless = parent in ("fiber", "VS", "root", "-") and tint == "0"
        rows.append(
            (
                int(number),
                short,
                " ".join(words),
                None if parent == "-" else parent,
                float(tint),
                0.0 if colourless else 0.55,
                None if written == "-" else float(written),
            )
        )
    for index, (acronym, name, hue, granular) in enumerate(_AREAS):
        identifier = _FIRST_AREA_ID + _AREA_STEP * index
        rows.append((identifier, acronym, name, "ISO", hue, 0.5, None))
        for layer, offset, cells in _LAYERS:
            if layer != "4" or granular:
                rows.append(
                    (
                        identifier + offset,
                        f"{acronym}{layer}",
                        f"{name}, layer {layer}",
                        acronym,
                        hue + offset,
                        0.3 + 0.1 * offset,
                        cells,
                    )
                )
    return rows


_ROWS = _rows()

ID = {row[1]: row[0] for row in _ROWS}
"""Id of each structure by acronym."""

BRIGHTNESS = {row[0]: row[6] for row in _ROWS if row[6] is not None}
"""Mean brightness in the reference, 0..1, of each id that takes voxels."""

GRANULAR = frozenset(ID[acronym] for acronym, _, _, granular in _AREAS if granular)
"""Ids of the isocortical areas that have a layer 4."""


def phantom_structures() -> Structures:
    """Return the hierarchy of the phantom.

    Examples
    --------
    >>> structures = phantom_structures()
    >>> [ancestor.acronym for ancestor in structures.ancestors("SSp4")]
    ['root', 'grey', 'CH', 'CTX', 'ISO', 'SSp']
    """
    return Structures(
        (
            identifier,
            acronym,
            name,
            None if parent is None else ID[parent],
            _rgb(hue, saturation, 0.55 if parent == "VS" else 0.9),
        )
        for identifier, acronym, name, parent, hue, saturation, _ in _ROWS
    )

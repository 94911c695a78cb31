"""Pools of invented people: locales with their zones, money and names, and names that break careless code.

Invariant: nobody here exists; addresses end in example.org or example.com, phones are +1 NPA 555 01xx. It
holds values only; `examples.audience` draws from them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class People:
    """One locale's share of the audience (parts in a hundred) and what its customers look like."""

    locale: str
    country: str
    currency: str
    parts: int
    time_zones: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


LOCALES: tuple[People, ...] = (
    People(
        "en-US",
        "US",
        "USD",
        24,
        (
            "America/New_York",
            "America/Chicago",
            "America/Denver",
            "America/Los_Angeles",
            "America/Phoenix",
            "Pacific/Honolulu",
        ),
        ("Ava", "Liam", "Mia", "Noah", "Ella", "Jack", "Ruth", "Omar", "Grace", "Theo", "Ivy", "Sam"),
        ("Miller", "Stone", "Carter", "Reed", "Brooks", "Hayes", "Lane", "O'Neal", "Park", "Woods"),
    ),
    People(
        "en-GB",
        "GB",
        "GBP",
        12,
        ("Europe/London",),
        ("Isla", "Alfie", "Poppy", "Callum", "Bronwen", "Hamish", "Niamh", "Rhys"),
        ("Ashworth", "Pemberton", "MacLeod", "O'Connor", "Llewellyn", "Smythe-Jones"),
    ),
    People(
        "en-AU",
        "AU",
        "AUD",
        5,
        ("Australia/Sydney", "Australia/Lord_Howe", "Australia/Adelaide", "Australia/Eucla"),
        ("Matilda", "Lachlan", "Kirra", "Angus", "Bindi", "Jarrah"),
        ("Whitford", "Callaghan", "Nguyen", "Papadakis", "Barlow"),
    ),
    People(
        "de-DE",
        "DE",
        "EUR",
        14,
        ("Europe/Berlin", "Europe/Busingen"),
        ("Jürgen", "Käthe", "Anneliese", "Björn", "Mareike", "Sören", "Ute", "Friedrich"),
        ("Müller", "Weiß", "Großmann", "Schröder", "von der Tann", "Özdemir", "Köhler"),
    ),
    People(
        "de-AT",
        "AT",
        "EUR",
        4,
        ("Europe/Vienna",),
        ("Leopold", "Resi", "Franzi", "Valentin", "Sissi"),
        ("Huber", "Gschwandtner", "Österreicher", "Prückl"),
    ),
    People(
        "fr-FR",
        "FR",
        "EUR",
        10,
        ("Europe/Paris", "Indian/Reunion", "Pacific/Marquesas"),
        ("Zoé", "Éloïse", "Gaël", "Anaïs", "Jean-Loup", "Maëlle", "François"),
        ("Lefèvre", "d'Aubigné", "Garçon", "L'Hôpital", "Bœuf", "Noël"),
    ),
    People(
        "es-ES",
        "ES",
        "EUR",
        8,
        ("Europe/Madrid", "Atlantic/Canary"),
        ("Íñigo", "Begoña", "José María", "Núria", "Álvaro", "Lucía"),
        ("Muñoz", "García Lorente", "Ibáñez", "Núñez de Balboa", "Peña"),
    ),
    People(
        "pt-BR",
        "BR",
        "BRL",
        8,
        ("America/Sao_Paulo", "America/Manaus", "America/Noronha"),
        ("João", "Conceição", "Antônio", "Luíza", "Caetano", "Thaís"),
        ("da Silva", "Gonçalves", "Brandão", "dos Anjos", "Araújo"),
    ),
    People(
        "ar-EG",
        "EG",
        "EGP",
        5,
        ("Africa/Cairo",),
        ("محمد", "فاطمة", "أحمد", "ليلى", "يوسف"),
        ("المصري", "حسن", "عبد الرحمن", "النجار"),
    ),
    People(
        "ja-JP",
        "JP",
        "JPY",
        5,
        ("Asia/Tokyo",),
        ("さくら", "健太", "美咲", "太郎", "陽菜"),
        ("佐藤", "鈴木", "髙橋", "渡邉"),
    ),
    People(
        "hi-IN",
        "IN",
        "INR",
        3,
        ("Asia/Kolkata",),
        ("प्रिया", "अर्जुन", "काव्या", "राहुल"),
        ("शर्मा", "पटेल", "सिंह"),
    ),
    People(
        "ne-NP",
        "NP",
        "NPR",
        2,
        ("Asia/Kathmandu",),
        ("सुनिता", "बिशाल", "Pemba"),
        ("श्रेष्ठ", "Sherpa", "गुरुङ"),
    ),
)

HARD_FIRST_NAMES: tuple[str, ...] = (
    'Bob "Ace"',
    "D'Arcy",
    "<b>Ann</b>",
    "<script>alert(1)</script>",
    "Tom & Jerry",
    "{{ 7*7 }}",
    "{% raw %}",
    "${name}",
    "Zoë 🦄",
    "👩‍👩‍👧‍👦",
    "e\u0301lise",
    "שרה",
    "\u202emirror\u202c",
    "back\\slash",
    "semi;colon,comma",
    "percent%20s",
    "Eve\r\nBcc: mallory@example.org",
    "tab\there",
    "   ",
    "null",
    "Nr. 5",
    "ﬁﬂigature",
    "Wolfeschlegelstein" * 16,
)
HARD_LAST_NAMES: tuple[str, ...] = (
    "O'Brien",
    '"Quoted"',
    "<Null>",
    "van 't Hoff",
    "Ünïcødé",
    "李",
    "🎉",
    "Smith\u00a0Jones",
    "x" * 255,
    "--",
    "=?utf-8?q?hi?=",
)
ASCII_LOCAL_PARTS: tuple[str, ...] = (
    "ava",
    "liam",
    "kim",
    "robin",
    "alex",
    "sasha",
    "noor",
    "chris",
    "jo",
    "pat",
    "sam",
    "lee",
    "dana",
    "max",
    "ari",
    "kai",
)
MAIL_DOMAINS: tuple[str, ...] = ("example.org", "example.com", "mail.example.org", "post.example.com")
INVALID_EMAILS: tuple[str, ...] = (
    "no-at-sign.example.org",
    "two@@example.org",
    "spaces in@example.org",
    "dot.@example.org",
    "@example.org",
    "nobody@",
    "",
    "n/a",
    "a@b@example.org",
    "line\nbreak@example.org",
    f"{'long' * 20}@example.org",
)
INVALID_PHONES: tuple[str, ...] = ("+1555", "call me", "", "0", "+1 (not) a number", "+999999999999999999")
# North American area codes in use; 555-0100 to 555-0199 is kept for fiction in each of them.
AREA_CODES: tuple[int, ...] = (
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228,
    229, 231, 234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302,
    303, 304, 305, 307, 308, 309, 310, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 325, 330,
    334, 336, 337, 339, 347, 351, 352, 360, 361, 386, 401, 402, 404, 405, 406, 407, 408, 409, 410, 412,
    413, 414, 415, 417, 419, 423, 424, 425, 432, 434, 435, 440, 443, 469, 478, 479, 480, 484, 501, 502,
    503, 504, 505, 507, 508, 509, 510, 512, 513, 515, 516, 517, 518, 520, 530, 540, 541, 551, 559, 561,
    562, 563, 567, 570, 571, 573, 574, 580, 585, 586, 601, 602, 603, 605, 606, 607, 608, 609, 610, 612,
    614, 615, 616, 617, 618, 619, 620, 623, 626, 630, 631, 636, 641, 646, 650, 651, 660, 661, 662, 678,
    682, 701, 702, 703, 704, 706, 707, 708, 712, 713, 714, 715, 716, 717, 718, 719, 720, 724, 727, 731,
    732, 734, 740, 754, 757, 760, 763, 765, 770, 772, 773, 774, 775, 781, 785, 786, 801, 802, 803, 804,
    805, 806, 808, 810, 812, 813, 814, 815, 816, 817, 818, 828, 830, 831, 832, 843, 845, 847, 848, 850,
    856, 857, 858, 859, 860, 863, 864, 865, 870, 901, 903, 904, 906, 907, 908, 909, 910, 912, 913, 914,
    915, 916, 917, 918, 919, 920, 925, 928, 931, 936, 937, 940, 941, 947, 949, 951, 952, 954, 956, 970,
    971, 972, 973, 978, 979, 980, 985, 989,
)  # fmt: skip
SEGMENTS: tuple[str, ...] = ("newcomer", "loyal", "vip", "dormant", "bargain-hunter", "café-club")
ITEMS: tuple[str, ...] = (
    "Linen shirt", "Kettle 1.7 l", 'Poster 24"x36"', "Crème brûlée set", "USB-C <cable>",
    "Salt & pepper mill", "目覚まし時計", "Bike lamp 💡", "Notebook, A5", "Wool socks",
)  # fmt: skip
CONSENT_TOPICS: tuple[str, ...] = ("marketing", "reminders", "transactional")

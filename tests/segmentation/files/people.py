"""Customers as shops and data sets write them."""

from __future__ import annotations

from tests.segmentation.files.cases import Case, content, jsonl, lines, moment, table

HM = "https://fast.hugflare.com/datasets/microsoft/hnm-search-data/blob/main/README.md"
LASTFM = "http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html"
ML_1M = (
    "https://github.com/YJiangcm/Movielens1M-movie-recommendation-system/blob/"
    "31fd1922f6d566ea879387a1fbc12c29943c323d/ml-1m/README"
)
ML_100K = (
    "https://github.com/erkansirin78/datasets/blob/"
    "6001f5e0baa42192c1d58930964a73eed815072e/ml-100k/README"
)
SHOPWARE = "https://gist.github.com/vardumper/bf197681eb68f0c090626dfa24836ce6"


def _hm() -> str:
    header = (
        "customer_id,FN,Active,club_member_status,fashion_news_frequency,age,"
        "postal_code"
    )
    rows = [
        {
            "customer_id": f"{n:064x}",
            "FN": "1.0" if n % 3 else "",
            "club_member_status": ("ACTIVE", "PRE-CREATE", "")[n % 3],
            "age": f"{20 + n}.0",
            "postal_code": f"{n * 7:064x}",
        }
        for n in range(60)
    ]
    return table(header, rows)


def _shopware() -> str:
    header = (
        "active,affiliateCode,autoIncrement,birthday,boundSalesChannelId,campaignCode,"
        "company,createdAt,customFields,customerNumber,email,firstName,lastName"
    )
    rows = [
        {
            "active": 1,
            "autoIncrement": n,
            "createdAt": moment(n, "{y}-{m:02}-{d:02}T{h:02}:{i:02}:{s:02}+00:00"),
            "customerNumber": f"SW{10000 + n}" if n != 3 else "",
            "email": f"kunde{n}@example.de",
            "firstName": "Jürgen",
            "lastName": "Müller; Söhne",
        }
        for n in range(30)
    ]
    return table(header, rows, delimiter=";", quoting=1)


def _lastfm() -> str:
    days = ("Apr 27, 2005", "Dec 1, 2006", "")
    rows = [
        (
            f"user_{n:06}",
            "mf "[n % 3].strip(),
            "" if n % 4 else 27,
            "Mexico",
            days[n % 3],
        )
        for n in range(30)
    ]
    return lines(rows, "\t")


def _shopify() -> str:
    header = (
        "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,"
        "Default Address Company,Default Address Address1,Default Address City,"
        "Default Address Country Code,Default Address Zip,Default Address Phone,Phone,"
        "Accepts SMS Marketing,Total Spent,Total Orders,Note,Tax Exempt,Tags"
    )
    rows = [
        {
            "Customer ID": f"'{9013808660771 + n}",
            "First Name": "Anna",
            "Last Name": "Jansen",
            "Email": f"Anna{n}@Example.com",
            "Accepts Email Marketing": ("yes", "no")[n % 2],
            "Default Address Zip": "'1234AB",
            "Phone": f"'+3161234{n:04}",
            "Tags": "vip, horeca",
        }
        for n in range(25)
    ]
    return table(header, rows)


CASES = [
    Case("h&m customers", HM, "customers", content(_hm()), new=60),
    Case(
        "shopware customers",
        SHOPWARE,
        "customers",
        content(_shopware()),
        new=29,
        rejected=1,
        reasons=("customer is missing",),
    ),
    Case(
        "last.fm profiles",
        LASTFM,
        "customers",
        content(_lastfm()),
        layout={"has_header": False},
        by_hand={
            "customer": "column 1",
            "attributes.gender": "column 2",
            "attributes.country": "column 4",
            "created_at": {"column": "column 5", "date": "mdy"},
        },
        new=30,
    ),
    Case(
        "movielens 1m users",
        ML_1M,
        "customers",
        content(lines([(n, "FM"[n % 2], 25, 10, "02460") for n in range(50)], "::")),
        by_hand={"customer": "column 1", "attributes.zip": "column 5"},
        new=50,
    ),
    Case(
        "movielens 100k users",
        ML_100K,
        "customers",
        content(lines([(n, 24, "M", "technician", "85711") for n in range(50)], "|")),
        by_hand={"customer": "column 1", "attributes.occupation": "column 4"},
        new=50,
    ),
    Case("shopify customers", "", "customers", content(_shopify()), new=25),
    Case(
        "customers as one json array",
        SHOPWARE,
        "customers",
        content(
            "["
            + jsonl({"customerNumber": n, "email": f"{n}@x.de"} for n in range(9))
            .strip()
            .replace("\n", ",\n")
            + "]"
        ),
        new=9,
    ),
]

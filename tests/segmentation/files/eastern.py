"""Orders of shops in Japan, China and Taiwan, in the encodings of old there."""

from __future__ import annotations

from tests.segmentation.files.cases import Case, content, jsonl, moment, price, table

AISHIP = (
    "https://manual.aiship.jp/%e3%82%b7%e3%82%b9%e3%83%86%e3%83%a0%e7%ae%a1%e7%90%86_"
    "csv%e5%85%a5%e5%8a%9b%e9%a0%85%e7%9b%ae%e6%a6%82%e8%a6%81%ef%bc%88"
    "%e5%8f%97%e6%b3%a8%e3%83%87%e3%83%bc%e3%82%bfcsv%ef%bc%89"
)
RAKUTEN = (
    "http://ftp.dk.freebsd.org/osdn/scmarchive/g/nextcrm/svn/"
    "c1e6b341-3cb2-4974-b674-5b0adf8baeb0/nextcrm-2_source-r540.zip"
)
ROBOT_IN = "https://www.hunglead.com/robot-in-manual/ordercsv_sample.html"
TAIWAN = (
    "https://glama.ai/mcp/servers/@uberr2000/mcp_demo/blob/"
    "8623283cda4c0572b0024737ebfbed9ee5c9b6ea/app/Exports/OrdersExport.php"
)
JD = "https://www.kancloud.cn/zhijian/tkzs/2258181"


def _aiship() -> str:
    header = (
        "注文番号,INDEX,注文日時,商品管理番号,商品名,数量,商品単価,"
        "商品バリエーション選択肢,商品オプション選択肢,今回獲得ポイント,決済方法,"
        "デバイス,最終更新日時,合計入金額,管理ステータス,入金済ステータス"
    )
    names = (
        "緑茶 ティーバッグ",
        "マグカップ(白)",
        "ｶﾌｪﾗﾃ 1ｹｰｽ",
        "チョコレート ～限定～",
    )
    rows = [
        {
            "注文番号": f"A{n // 2:05}",
            "INDEX": 1 + n % 2,
            "注文日時": moment(n // 2),
            "商品管理番号": f"cup-{n % 4}",
            "商品名": names[n % 4],
            "数量": 1 + n % 3,
            "商品単価": 300 + n,
            "決済方法": "クレジットカード",
            "管理ステータス": "発送済み",
        }
        for n in range(60)
    ]
    return table(header, rows, lineterminator="\r\n")


def _rakuten() -> str:
    header = (
        "受注番号,レコードナンバー,注文日,注文時間,商品名,商品番号,個数,単価,"
        "項目・選択肢,注文者名字,注文者名前,注文者名字フリガナ,注文者名前フリガナ,"
        "メールアドレス,注文者郵便番号1,注文者郵便番号2"
    )
    rows = [
        {
            "受注番号": f"274555-2024-{n:06}",
            "注文日": moment(n, "{y}/{m:02}/{d:02}"),
            "注文時間": moment(n, "{h:02}:{i:02}:{s:02}"),
            "商品名": "紅茶のカップ",
            "商品番号": f"tea{n % 5}",
            "個数": 1,
            "単価": "1,280",
            "注文者名字": "佐藤",
            "注文者名前": "花子",
            "メールアドレス": f"hanako{n % 8}@example.jp",
        }
        for n in range(40)
    ]
    return table(header, rows)


def _robot_in() -> str:
    header = (
        "コントロールカラム,受注ID,店舗ID,店舗名,受注日時,受注番号,項番,"
        "ステータスコード,支払方法,注文者氏名,明細ID,商品コード"
    )
    rows = [
        {
            "コントロールカラム": "U",
            "受注ID": 107673 + n,
            "店舗ID": 106397,
            "受注日時": moment(n),
            "受注番号": f"274555-{n}",
            "項番": 1,
            "ステータスコード": 1,
            "注文者氏名": ("鈴木 一郎", "高橋 次郎", "田中 三郎")[n % 3],
            "明細ID": 5000 + n,
            "商品コード": f"{n % 4:04}",
        }
        for n in range(30)
    ]
    return table(header, rows)


def _taiwan() -> str:
    header = (
        "交易ID,客戶姓名,產品名稱,產品類別,數量,單價,總金額,訂單狀態,訂單日期,"
        "客戶郵箱,客戶電話,送貨地址,備註"
    )
    rows = [
        {
            "交易ID": f"T{n}",
            "客戶姓名": ("張小明", "李美玲", "陳大文")[n % 3],
            "產品名稱": ("高山烏龍茶", "鳳梨酥禮盒", "手工皂")[n % 3],
            "產品類別": "食品",
            "數量": 1 + n % 2,
            "單價": 250,
            "總金額": 250 * (1 + n % 2),
            "訂單狀態": ("已完成", "已取消", "已退款")[n % 3],
            "訂單日期": moment(n, "{y}/{m:02}/{d:02}"),
            "客戶郵箱": f"c{n % 7}@example.tw",
            "送貨地址": "臺北市中正區重慶南路一段",
        }
        for n in range(30)
    ]
    return table(header, rows)


def _taobao() -> str:
    header = (
        "订单编号,买家会员名,买家支付宝账号,买家应付货款,买家应付邮费,总金额,"
        "买家实际支付金额,订单状态,买家留言,收货人姓名,收货地址 ,运送方式,联系电话 ,"
        "订单创建时间,订单付款时间 ,宝贝标题 ,宝贝种类 ,物流单号 ,宝贝总数量"
    )
    rows = [
        {
            "订单编号": f'="45{n:014}"',
            "买家会员名": f"小红{n % 9}",
            "总金额": f"{price(n)}",
            "买家实际支付金额": price(n),
            "订单状态": ("交易成功", "交易关闭")[n % 4 == 0],
            "收货人姓名": "王芳",
            "收货地址 ": "浙江省 杭州市 西湖区 文三路 90号",
            "订单创建时间": moment(n),
            "宝贝标题 ": ("春季女装连衣裙", "男士纯棉衬衫", "厨房用品 不锈钢锅")[n % 3],
            "宝贝种类 ": 1,
            "宝贝总数量": 1 + n % 2,
        }
        for n in range(48)
    ]
    return table(header, rows)


def _jd() -> str:
    return jsonl(
        {
            "orderId": str(286_000_000_000 + n // 2),
            "orderTime": moment(n // 2),
            "parentId": "0",
            "plus": "1",
            "price": float(price(n)),
            "skuId": str(100_012_043_978 + n % 5),
            "skuName": "京东京造 抽纸",
            "skuNum": str(1 + n % 3),
            "skuReturnNum": "0",
        }
        for n in range(40)
    )


CASES = [
    Case(
        "aiship orders",
        AISHIP,
        "events",
        content(_aiship(), "cp932"),
        by_hand={"visitor": "注文番号"},
        currency="JPY",
        new=60,
    ),
    Case(
        "rakuten purchases",
        RAKUTEN,
        "events",
        content(_rakuten(), "cp932"),
        by_hand={"price": {"column": "単価", "number": "1,234.56"}},
        currency="JPY",
        stored={"price": 1280.0, "quantity": 1.0},
        new=40,
    ),
    Case(
        "robot-in orders",
        ROBOT_IN,
        "events",
        content(_robot_in(), "cp932"),
        by_hand={"customer": "注文者氏名"},
        currency="JPY",
        new=30,
    ),
    Case(
        "orders in traditional chinese",
        TAIWAN,
        "events",
        content(_taiwan(), "big5"),
        by_hand={"item": "產品名稱"},
        currency="TWD",
        new=20,
        ignored=10,
    ),
    Case(
        "taobao orders",
        "",
        "events",
        content(_taobao(), "gb18030"),
        by_hand={"item": "宝贝标题"},
        currency="CNY",
        new=36,
        ignored=12,
    ),
    Case(
        "jd union orders",
        JD,
        "events",
        content(_jd()),
        by_hand={"visitor": "orderId"},
        currency="CNY",
        new=40,
    ),
]

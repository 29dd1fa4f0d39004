"""What columns are called in the tables of shops, in English and Chinese.

Gathered from the pages that `builtin` names and from public data sets. Names are in
the form of `names.normal`; of two that are there the first is taken, and other
`languages` come after these two.
"""

from __future__ import annotations

from segmentation.engine.mapping.languages import (
    MORE,
    MORE_KINDS,
    MORE_PAIRS,
    spellings,
)

_CUSTOMER = (
    "customer customerid customernumber customerno user userid member memberid buyer "
    "buyerid client clientid account accountid shopper shopperid person personid "
    "household householdkey reviewerid "
    "用户id 用户编号 用户 会员id 会员编号 会员号 会员 客户id 客户编号 客户 顾客id "
    "顾客编号 顾客 买家id 买家会员名 买家昵称 买家"
)
_EMAIL = (
    "email emailaddress mail customeremail useremail buyeremail billingemail "
    "emailbilling 邮箱 电子邮箱 邮件 电子邮件"
)
_ITEM = (
    "item itemid itemcode itemnumber product productid productcode productnumber "
    "stockcode sku skuid itemsku productsku variantsku lineitemsku article articleid "
    "articlenumber asin goods goodsid isbn movieid videoid reference "
    "商品id 商品编号 商品编码 商品代码 商品 产品id 产品编号 产品编码 货品编号 货号 "
    "宝贝id 商家编码 sku编码 sku编号"
)
# Of items: other tables call their own key so.
_ITEM_ALONE = f"{_ITEM} id"
_PRICE = "price unitprice itemprice itemcost lineitemprice 单价 价格 商品单价 商品价格"
_TITLE = (
    "title name prodname productname producttitle itemname itemtitle 商品名称 "
    "商品标题 产品名称 "
    "宝贝标题 标题 名称 品名"
)
_TIME = (
    "occurredat timestamp eventtime eventtimestamp datecreated orderedat saledate "
    "eventdate datetime createdat "
    "orderdate ordertime orderpurchasetimestamp purchasedate purchasedat invoicedate "
    "transactiondate visittime date time ts "
    "下单时间 下单日期 订单创建时间 订单时间 订单日期 付款时间 订单付款时间 支付时间 "
    "购买时间 交易时间 行为时间 创建时间 时间戳 时间 日期"
)

_TEXT: dict[str, dict[str, str]] = {
    "events": {
        "customer": f"{_CUSTOMER} {_EMAIL}",
        "visitor": "visitor visitorid cookie cookieid anonymousid deviceid "
        "userpseudoid fullvisitorid 访客id 访客 设备id",
        "item": _ITEM,
        "kind": "kind event eventtype eventname behavior behaviour behaviortype "
        "behaviourtype action actiontype activity interaction interactiontype "
        "行为类型 行为 事件类型 事件 操作类型 操作 "
        "financialstatus paymentstatus orderstatus status type "
        "订单状态 交易状态 状态 类型",
        "occurred_at": _TIME,
        "value": "value rating stars score overall 评分 分数",
        "quantity": "quantity qty itemquantity lineitemquantity orderquantity "
        "quantitypurchased skunum "
        "qtyordered units quantityrefund 数量 购买数量 商品数量 销售数量 宝贝数量 件数",
        "price": _PRICE,
        "amount": "amount linetotal lineamount itemtotal orderlinetotal "
        "revenue salesvalue 金额 小计 总价 总金额 实付金额 支付金额 "
        "买家实际支付金额 销售额",
        "currency": "currency currencycode ordercurrency ordercurrencycode 币种 货币",
        "order": "order orderid ordernumber orderno invoice invoiceno invoiceid basket "
        "basketid transaction transactionid incrementid "
        "订单编号 订单号 订单id 订单 主订单编号 流水号 交易号",
        "event_id": "eventid lineid orderlineid orderitemid 事件id 子订单编号 子订单号",
        "session": "session sessionid usersession visitid 会话id 会话",
    },
    "items": {
        "item": _ITEM_ALONE,
        "title": _TITLE,
        "group": "group groupid itemgroupid parent parentid parentsku parentasin "
        "productgroup handle slug spu spuid 款号 spu编码",
        "category": "category categories categoryname googleproductcategory "
        "categoryid categorycode "
        "productcategory producttype producttypename maincategory department "
        "类目 商品类目 类别 商品类别 分类 商品分类 品类 类目id",
        "brand": "brand brandname vendor manufacturer 品牌 厂商 厂家",
        "price": f"{_PRICE} saleprice sellingprice regularprice listprice variantprice "
        "售价 销售价 零售价",
        "currency": "currency currencycode 币种 货币",
        "url": "url link producturl permalink 链接 商品链接 网址",
        "image": "image imageurl imagelink imagesrc images imagesurl picture thumbnail "
        "图片 主图 图片链接 商品图片",
        "available": "available enabled availability instock isinstock stockstatus "
        "active "
        "published 有货 是否有货 库存状态 是否上架",
        "description": "description bodyhtml body shortdescription shortdesc "
        "detaildesc longdescription "
        "描述 商品描述 简介 详情",
    },
    "customers": {
        "customer": f"{_CUSTOMER} id",
        "email": _EMAIL,
        "phone": "phone phonenumber telephone tel mobile mobilephone cellphone "
        "billingphone phonebilling 手机号 手机号码 手机 电话 联系电话 联系手机",
        "name": "name fullname customername username 姓名 名字 客户姓名 会员名称 昵称",
        "locale": "locale language lang 语言",
        "timezone": "timezone tz 时区",
        "created_at": "createdat created registeredat registrationdate registered "
        "signupdate signup dateregistered customersince 注册时间 注册日期 创建时间",
    },
    "links": {
        "customer": f"{_CUSTOMER} id",
        "source": "source customersource 来源",
        "same_as": "sameas samecustomer samecustomerid othercustomer othercustomerid "
        "otherid secondid matchedid duplicateof 同一客户 另一客户id 对应客户id",
        "same_source": "samesource othersource secondsource matchedsource "
        "另一来源 对应来源",
        "visitor": "visitor visitorid cookie cookieid anonymousid deviceid "
        "访客id 设备id",
    },
}
ALIASES: dict[str, dict[str, list[str]]] = {
    kind: {
        target: [
            *dict.fromkeys(
                (*names.split(), *spellings(MORE.get(kind, {}).get(target, "")))
            )
        ]
        for target, names in targets.items()
    }
    for kind, targets in _TEXT.items()
}
# Columns that together are one.
PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "occurred_at": (
        ("date", "time"),
        ("orderdate", "ordertime"),
        ("transactiondate", "transactiontime"),
        ("日期", "时间"),
        *MORE_PAIRS["occurred_at"],
    ),
    "name": (
        ("firstname", "lastname"),
        ("billingfirstname", "billinglastname"),
        ("firstnamebilling", "lastnamebilling"),
        *MORE_PAIRS["name"],
    ),
}

_KINDS = {
    "view": "view views viewed pv pageview pageviews productview viewitem viewproduct "
    "productviewed detail 浏览 查看 访问",
    "click": "click clicks clk clicked productclicked 点击",
    "cart": "cart carts addtocart addcart addedtocart addtobasket basket "
    "productadded 加购 加购物车 "
    "加入购物车 购物车",
    "favourite": "favourite favorite fav favorites wishlist addtowishlist like "
    "productaddedtowishlist "
    "collect 收藏",
    "purchase": "purchase purchased buy bought order orders ordered ordercompleted "
    "transaction sale sold "
    "paid partiallypaid partiallyrefunded complete completed processing shipped "
    "delivered fulfilled authorized wccompleted wcprocessing "
    "购买 下单 成交 支付 已付款 已支付 已发货 已完成 交易成功 交易完成 "
    "买家已付款等待卖家发货 卖家已发货等待买家确认",
    "return": "return returned refund refunded orderrefunded wcrefunded 退货 退款 "
    "已退货 已退款 "
    "退货退款",
    "rating": "rating rate rated review 评分 评价",
    "search": "search searched productssearched query 搜索",
    "remove_from_cart": "productremoved removefromcart removecart removed 移出购物车 "
    "删除购物车",
    "ignore": "pending pendingpayment unpaid onhold cancelled canceled voided failed "
    "expired draft checkoutdraft trash wcpending wconhold wccancelled wcfailed "
    "待付款 未付款 等待买家付款 已取消 取消 交易关闭",
}
# What a word of a file's own means; the words are in the form of `names.normal`.
WORDS = {
    word: kind
    for kind, words in _KINDS.items()
    for word in (*words.split(), *spellings(MORE_KINDS.get(kind, "")))
}

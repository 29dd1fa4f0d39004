"""What columns and words are called in other languages than English and Chinese.

German, French, Spanish, Japanese and traditional Chinese, in the form of
`names.normal`. Spellings without accents, and with ae for ä, are made from these.
Numbers of lines within an order are left out: they are no ids of events.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_CUSTOMER = (
    "kundennummer kundennr kundenid kundenkonto kunde käufer käuferid benutzer "
    "benutzerid "
    "client idclient numéroclient nclient codeclient acheteur utilisateur "
    "idutilisateur "
    "cliente idcliente códigocliente códigodecliente númerodecliente ncliente "
    "comprador usuario idusuario "
    "会員番号 会員id 顧客番号 顧客id 顧客コード お客様番号 お客様id "
    "會員id 會員編號 會員帳號 會員 客戶id 客戶編號 客戶 顧客編號 買家帳號 買家"
)
_EMAIL = (
    "emailadresse kundenemail mailadresse "
    "adresseemail adressemail courriel emailclient "
    "correo correoelectrónico emailcliente "
    "メールアドレス 注文者メールアドレス メール eメール "
    "電子郵件 電子信箱 信箱 郵箱 會員信箱 客戶郵箱 會員email"
)
_ITEM = (
    "artikelnummer artikelnr artnr artikelid artikelsku artikelcode artikel "
    "produktnummer produktnr produktid produktsku produktcode produkt "
    "référence réf référenceproduit codearticle codeproduit idproduit idarticle "
    "produit "
    "referencia códigoproducto códigodeproducto códigoartículo idproducto "
    "idartículo artículo producto "
    "商品番号 商品コード 商品管理番号 商品id 品番 sku管理番号 "
    "商品編號 商品貨號 商品料號 商品代碼 產品編號 貨號 料號"
)
_TITLE = (
    "artikelname artikelbezeichnung produktname produktbezeichnung bezeichnung titel "
    "nomduproduit nomproduit nomdelarticle désignation libellé titre "
    "nombreproducto nombredelproducto nombredeproducto título "
    "商品名 商品名称 品名 商品名稱 產品名稱 品項"
)
_TIME = (
    "bestelldatum bestellzeit bestellzeitpunkt bestelltam kaufdatum rechnungsdatum "
    "auftragsdatum zeitstempel zeitpunkt datum uhrzeit "
    "datedecommande datecommande dateheure datedachat dateachat datefacture "
    "datedefacture "
    "fechapedido fechadepedido fechadelpedido fechacompra fechadecompra fechahora "
    "fechafactura fechadefactura fecha "
    "注文日時 受注日時 購入日時 注文日 受注日 購入日 日時 日付 "
    "訂單日期 訂購日期 訂購時間 下單時間 下單日期 訂單時間 成立時間 建立時間 購買時間 "
    "時間 日期"
)
_PRICE = (
    "einzelpreis stückpreis verkaufspreis bruttopreis preisbrutto preis "
    "prixunitaire prixdevente prixttc prix "
    "preciounitario preciodeventa precioventa precio "
    "商品単価 単価 販売価格 価格 單價 售價 價格"
)
MORE: dict[str, dict[str, str]] = {
    "events": {
        "customer": f"{_CUSTOMER} {_EMAIL}",
        "visitor": "besucher besucherid visiteur idvisiteur visitante 訪問者id 訪客id",
        "item": _ITEM,
        "kind": "ereignis ereignistyp aktion bestellstatus zahlungsstatus "
        "auftragsstatus évènement événement typeévénement statutcommande "
        "statutdecommande statut étatcommande état "
        "evento tipoevento estadopedido estadodelpedido estado "
        "注文ステータス 受注ステータス ステータス イベント "
        "訂單狀態 付款狀態 行為 行為類型 狀態",
        "occurred_at": _TIME,
        "value": "bewertung sterne évaluation valoración puntuación 評価 評分",
        "quantity": "menge bestellmenge stückzahl anzahl quantité qté "
        "cantidad unidades 個数 数量 注文数 購入数 數量 件數",
        "price": _PRICE,
        "amount": "gesamtpreis positionssumme zeilensumme betrag umsatz "
        "montant montantttc totalligne prixtotal "
        "importe importetotal totallínea 小計 金額 總金額 小计",
        "currency": "währung devise monnaie moneda divisa 通貨 幣別 貨幣",
        "order": "bestellnummer bestellnr bestellid bestellung auftragsnummer "
        "auftragsnr rechnungsnummer rechnungsnr belegnummer belegnr "
        "numérodecommande numérocommande ncommande idcommande référencecommande "
        "commande numérodefacture nfacture facture "
        "númerodepedido númeropedido npedido numpedido idpedido pedido "
        "númerodefactura nfactura factura "
        "注文番号 受注番号 注文id 受注id 伝票番号 "
        "訂單編號 訂單號 訂單id 訂單 交易編號 交易id 交易序號",
        "event_id": "ereignisid idévénement idevento 明細id",
        "session": "sitzung sitzungsid sesión idsesión セッションid",
    },
    "items": {
        "item": _ITEM,
        "title": _TITLE,
        "group": "vaterartikel hauptartikelnummer gruppe 親商品番号 商品群組",
        "category": "kategorie kategorien hauptkategorie warengruppe produktgruppe "
        "catégorie catégories rubrique famille categoría categorías familia "
        "カテゴリ カテゴリー 商品カテゴリ 類別 商品類別 產品類別 分類 商品分類",
        "brand": "marke hersteller marque fabricant marca fabricante "
        "ブランド ブランド名 メーカー 廠商 品牌",
        "price": _PRICE,
        "currency": "währung devise monnaie moneda divisa 通貨 幣別",
        "url": "produktlink lien lienproduit enlace 商品url 商品ページurl 商品連結",
        "image": "bild bilder bildurl artikelbild photo photos urlimage imagen "
        "imágenes foto 商品画像 商品画像url 画像 商品圖片 圖片",
        "available": "verfügbar verfügbarkeit lagerstatus aktiv disponible "
        "disponibilité enstock actif activo 在庫 庫存狀態",
        "description": "beschreibung kurzbeschreibung langbeschreibung "
        "artikelbeschreibung produktbeschreibung descriptif descripción "
        "商品説明 説明文 商品描述",
    },
    "customers": {
        "customer": _CUSTOMER,
        "email": _EMAIL,
        "phone": "telefon telefonnummer mobil mobilnummer handy handynummer "
        "téléphone portable numérodetéléphone teléfono móvil "
        "電話番号 携帯電話 電話 手機 客戶電話",
        "name": "kundenname nomcomplet nomclient nombrecompleto nombrecliente "
        "氏名 お名前 会員名 名前 客戶姓名 會員姓名 姓名",
        "locale": "sprache langue idioma 言語 語言",
        "timezone": "zeitzone fuseauhoraire zonahoraria タイムゾーン 時區",
        "created_at": "registriertam registrierungsdatum anmeldedatum kundeseit "
        "erstelltam datedinscription datedecréation fechaderegistro fechadealta "
        "登録日 会員登録日 登録日時 註冊時間 註冊日期",
    },
}
MORE_PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "occurred_at": (
        ("datum", "uhrzeit"),
        ("datum", "zeit"),
        ("bestelldatum", "bestellzeit"),
        ("bestelldatum", "uhrzeit"),
        ("date", "heure"),
        ("fecha", "hora"),
        ("注文日", "注文時間"),
        ("受注日", "受注時間"),
        ("日付", "時間"),
        ("日期", "時間"),
    ),
    "name": (
        ("vorname", "nachname"),
        ("prénom", "nom"),
        ("nombre", "apellidos"),
        ("nombre", "apellido"),
        ("姓", "名"),
        ("注文者名字", "注文者名前"),
    ),
}
MORE_KINDS = {
    "view": "angesehen ansicht aufruf produktansicht vu consultation vista visto "
    "閲覧 瀏覽",
    "click": "klick clic",
    "cart": "warenkorb indenwarenkorb ajoutaupanier panier carrito añadidoalcarrito "
    "カート カート追加 加入購物車 購物車",
    "favourite": "merkliste wunschliste favoris listedenvies favorito favoritos "
    "お気に入り",
    "purchase": "gekauft kauf bestellt bezahlt versandt versendet geliefert "
    "abgeschlossen inbearbeitung achat acheté payé payée expédié expédiée livré "
    "livrée terminé terminée compra comprado pagado pagada enviado enviada "
    "entregado entregada completado completada "
    "購入 注文 購入済み 支払済み 入金済み 発送済み 完了 "
    "購買 已付款 已出貨 已送達 已完成 完成",
    "return": "retoure retourniert rückgabe erstattet zurückerstattet gutschrift "
    "retour retourné remboursé remboursée devolución devuelto reembolsado "
    "返品 返金 返金済み 退貨 已退貨 已退款",
    "rating": "bewertet évaluation reseña 評価 レビュー",
    "search": "suche recherche búsqueda 検索 搜尋",
    "ignore": "offen ausstehend unbezahlt storniert abgebrochen enattente annulé "
    "annulée impayé pendiente cancelado cancelada anulado "
    "未入金 入金待ち キャンセル キャンセル済み 未付款 待付款 已取消 取消",
}
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def spellings(words: str) -> Iterator[str]:
    """Each of the words, and as people write it who have no such letters."""
    for word in words.split():
        yield word
        if all(letter < "ɐ" for letter in word):
            parts = unicodedata.normalize("NFD", word)
            plain = "".join(part for part in parts if not unicodedata.combining(part))
            yield from {plain, word.translate(_UMLAUTS)} - {word}

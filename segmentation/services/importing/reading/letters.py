"""How likely a text is in its language: what tells one encoding of it from another.

A rough model of how shop data is written: the commonest characters of each script,
those that its oldest standard put into its first level because they are in use, and
all others. The first levels are the standards' own: GB/T 2312-1980 (rows 16–55), Big5
(A440–C67E), JIS X 0208 (rows 16–47), KS X 1001 (rows 16–40).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之"
    "年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理"
    "心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高"
    "间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老"
    "给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女"
    "变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形"
    "社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程"
    "北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运笔买卖订单价客户商店购付款退"
    "换货快递邮箱址姓号码备注状态颜红黑蓝绿黄白灰粉紫男童装鞋衣服裤裙帽包手表家居厨房食茶酒米面"
    "果奶油盐糖肉鱼菜鸡蛋水杯盒袋瓶支双套台只张片斤克升毫厘寸英纯棉春夏秋冬季款式女士李王张刘陈杨"
    "赵周吴徐孙胡朱林何郭罗宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴钟汪田"
    "省县镇村街道路号楼室京沪广州深圳杭成都武汉西安重庆苏天津南京省江浙湖河福四川山"
)
TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之"
    "年過發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理"
    "心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高"
    "間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老"
    "給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女"
    "變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形"
    "社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程"
    "北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運筆買賣訂單價客戶商店購付款退"
    "換貨快遞郵箱址姓號碼備註狀態顏紅黑藍綠黃白灰粉紫男童裝鞋衣服褲裙帽包手錶家居廚房食茶酒米麵"
    "果奶油鹽糖肉魚菜雞蛋水杯盒袋瓶支雙套台隻張片斤克升毫釐寸英純棉春夏秋冬季款式女士李王張劉陳楊"
    "趙周吳徐孫胡朱林何郭羅宋鄭謝韓唐馮董蕭程曹袁鄧許傅沈曾彭呂蘇盧蔣蔡賈丁魏薛葉閻余潘杜戴鍾汪田"
    "省縣鎮村街道路號樓室臺灣北中南高雄新竹桃園香港九龍"
)
JAPANESE = (
    "日一国人年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女"
    "北午百書先名川千水半男西電校語土木聞食車何南万毎白天母火右読友左休父雨新田社会事者自地方場業"
    "手力問代明動京目通言理体田主題意不作用度強公持野以思家世多正安院心界教文元重近考画海売知道集"
    "別物使品計死特私始朝運終台広住真有口少町料工建空急止送切転研足究楽起着店病質待試族銀早映親験"
    "英医仕去味写字答夜音注帰古歌買悪図週室歩風紙黒花春赤青館屋色走秋夏習駅洋旅服夕借曜飲肉貸堂鳥"
    "飯勉冬昼茶弟牛魚兄犬妹姉漢商価格数量注文届番号住所氏様客顧合計税込送料県市区郵便佐藤鈴木高橋"
    "伊渡辺山中村小林加吉松井上清"
)
KOREAN = (
    "이다는의에을가고하지한은사도로를기자나시리어서인대일해아정수스주보전부라원장여그과상제구동"
    "성비조만들공유소우경어마안문미무신연요선생물국세계관개중진위방내거모치오었적으있게면할했습니"
    "까름상품가격주문번호고객회원배송금액결제날짜수량김박최강윤임한오서권황안송류전홍"
)
PUNCTUATION = "　、。，．・：；？！“”‘’（）《》「」『』【】—…～·￥－＋／％"
ACCENTED = "äöüÄÖÜßéèêëÉÈàâáãåæçñíìîïóòôõøúùûœÀÁÂÇÅÆØÑÓÍÚÊŒýÿžšŠŽ"
WESTERN_SIGNS = "€£§°²³½¼®©™«»–—‘’“”„…·•´¿¡×ºª\xa0¥"
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"
GREEK = "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"
HEBREW = "אבגדהוזחטיךכלםמןנסעףפץצקרשת"
CENTRAL = "ąćęłńóśźżáčďéěíňřšťúůýžőűöüäôľĺŕçăâîşţđ"
TURKISH = "ığşçöüİĞŞÇÖÜâîû"

Classes = dict[str, float]  # character → log10 of how likely it is
RARE, OUTLANDISH = -7.0, -9.0
ASCII = math.log10(1 / 60)
BEYOND = re.compile(r"[^\x00-\x7f]")
ALONE = re.compile(r"(?<=[A-Za-z])[\u2e80-\u9fff\uac00-\ud7a3]+(?=[a-z])")


def _level(codec: str, rows: range, cells: range = range(0xA1, 0xFF)) -> frozenset[str]:
    """The characters of a double-byte encoding whose first byte is one of ``rows``."""
    pairs = (
        bytes((row, cell)).decode(codec, "ignore") for row in rows for cell in cells
    )
    return frozenset(filter(None, pairs))


def _spread(characters: object, share: float) -> Classes:
    """Each of the characters takes its part of the share of all characters."""
    each = frozenset(characters)  # type: ignore[call-overload]
    return dict.fromkeys(each, math.log10(share / len(each)))


@lru_cache(maxsize=1)
def models() -> dict[str, Classes]:
    """Script → how likely its characters are; built at first need (20 ms)."""
    kana = {chr(n): math.log10(0.35 / 83) for n in range(0x3041, 0x3094)}
    kana |= {chr(n): math.log10(0.15 / 90) for n in range(0x30A1, 0x30FD)}
    marks = _spread(PUNCTUATION, 0.04) | _spread(
        [chr(n) for n in range(0xFF10, 0xFF5B)], 0.01
    )
    big5_cells = range(0x40, 0xFF)
    accents = _spread(ACCENTED, 0.05) | _spread(WESTERN_SIGNS, 0.005)
    signs = _spread(WESTERN_SIGNS, 0.005)
    cyrillic = _spread(CYRILLIC, 0.9) | _spread(CYRILLIC.upper(), 0.06)
    simplified = _spread(_level("gb2312", range(0xB0, 0xD8)), 0.25)
    traditional = _spread(_level("big5", range(0xA4, 0xC7), big5_cells), 0.25)
    japanese = _spread(_level("cp932", range(0x88, 0x98), range(0x40, 0xFD)), 0.15)
    japanese |= {chr(n): math.log10(0.01 / 63) for n in range(0xFF61, 0xFFA0)}
    korean = _spread(_level("euc_kr", range(0xB0, 0xC9)), 0.3)
    return {
        "simplified": marks | simplified | _spread(SIMPLIFIED, 0.7),
        "traditional": marks | traditional | _spread(TRADITIONAL, 0.7),
        "japanese": marks | japanese | kana | _spread(JAPANESE, 0.25),
        "korean": marks | korean | _spread(KOREAN, 0.6),
        "western": accents,
        "cyrillic": signs | cyrillic,
        "greek": signs | _spread(GREEK, 0.9) | _spread(GREEK.upper(), 0.06),
        "hebrew": signs | _spread(HEBREW, 0.9),
        "central": signs | _spread(CENTRAL, 0.08) | _spread(CENTRAL.upper(), 0.02),
        "turkish": signs | _spread(TURKISH, 0.08),
    }


def likelihood(text: str, script: str) -> float:
    """log10 of how likely a text is in a script; ASCII counts the same in all."""
    model = models()[script]
    counts = Counter(text)
    total = sum(n for character, n in counts.items() if character.isascii()) * ASCII
    for character, n in counts.items():
        if not character.isascii():
            total += n * model.get(character, _unusual(character))
    # A single sign of the East amid Latin letters is what a wrong guess looks like.
    total -= 2.0 * len(ALONE.findall(text))
    return total + _RUNS.get(script, _no_runs)(text)


def _unusual(character: str) -> float:
    """What no list of the script has: a rare letter, or a sign of no language."""
    return RARE if character.isalpha() or character.isprintable() else OUTLANDISH


def _no_runs(_text: str) -> float:
    return 0.0


def _n(pattern: str, text: str) -> int:
    return len(re.findall(pattern, text))


def _latin_runs(text: str) -> float:
    """Accented letters stand between plain ones, seldom beside each other."""
    beside = _n(r"[\xa1-\u017f](?=[\xa1-\u017f])", text)
    signs = _n(r"(?<=[A-Za-z])[\xa1-\xbf\xd7\xf7](?=[A-Za-z])", text)
    return -2.0 * (beside + signs + _n(r"(?<=[a-z])[\xc0-\xde]", text))


def _japanese_runs(text: str) -> float:
    """Half-width katakana come in words: one makes the next one likely."""
    words = re.findall(r"[\uff61-\uff9f]+", text)
    return sum(2.2 * (len(word) - 1) if len(word) > 1 else -3.0 for word in words)


def _alphabet_runs(text: str) -> float:
    """Capitals begin words, and letters of two alphabets do not mix in one."""
    letter = "[\u0370-\u05ff]"
    mixed = _n(f"[A-Za-z](?={letter})|{letter}(?=[A-Za-z])", text)
    alone = _n(f"(?<!{letter}){letter}(?!{letter})", text)
    return -4.0 * (_n("[а-яёα-ώ](?=[А-ЯЁΑ-Ω])", text) + mixed) - 2.0 * alone


_RUNS: dict[str, Callable[[str], float]] = {
    "western": _latin_runs,
    "central": _latin_runs,
    "turkish": _latin_runs,
    "japanese": _japanese_runs,
    "cyrillic": _alphabet_runs,
    "greek": _alphabet_runs,
    "hebrew": _alphabet_runs,
}

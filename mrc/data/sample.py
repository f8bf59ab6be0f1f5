"""The built-in corpus: reading questions about invented people, places, firms and events in four languages.

Every context tells the same kinds of facts about three or more entities of one kind, so a reader must find the entity
that the question names, not merely a year or a town. All names are made from syllables, and no name of an entity
stands in both the training and the validation part. The corpus is small and formulaic: good for seeing the whole
program work within minutes and for tests, no measure of how well a reader understands a language.

Write it out as SQuAD JSON with `python -m mrc.sample FOLDER`.
"""

import random
import zlib

from mrc.data.examples import Answer, Example, ExampleList
from mrc.errors import InputError

LANGUAGES = ("ko", "en", "vi", "ru")


CONTEXTS = {"train": 9600, "validation": 480}  # over all four languages


LONG_SHARE = 0.04  # of the contexts hold eight entities or nine, and so do not fit a short window


UNANSWERABLE_SHARE = 0.25  # of the questions, where unanswerable ones are asked for


class Hangul(str):
    """A Korean word that takes the right form of a particle: f"{Hangul('나무'):은}" is '나무는'."""

    PARTICLES = {
        "은": ("은", "는"),
        "이": ("이", "가"),
        "을": ("을", "를"),
        "과": ("과", "와"),
        "이다": ("이다", "다"),
    }

    def __format__(self, particle):
        after_consonant, after_vowel = self.PARTICLES.get(particle, (particle, particle))
        has_final_consonant = (ord(self[-1]) - 0xAC00) % 28 > 0
        return str(self) + (after_consonant if has_final_consonant else after_vowel)


# Syllables from which names are made: (beginnings, ends of a word).
SYLLABLES = {
    "ko": (
        [
            "가",
            "나",
            "다",
            "라",
            "마",
            "바",
            "사",
            "아",
            "자",
            "하",
            "고",
            "노",
            "도",
            "로",
            "모",
            "보",
            "소",
            "오",
            "조",
            "호",
            "구",
            "누",
            "두",
            "루",
            "무",
            "부",
            "수",
            "우",
            "주",
            "후",
            "기",
            "니",
            "디",
            "리",
            "미",
            "비",
            "시",
            "지",
            "히",
            "세",
            "네",
            "데",
            "레",
            "메",
        ],
        [
            "란",
            "빈",
            "솔",
            "담",
            "율",
            "해",
            "온",
            "겸",
            "별",
            "찬",
            "든",
            "람",
            "봄",
            "샘",
            "결",
            "터",
            "벼",
            "루",
            "미",
            "나",
            "호",
            "주",
            "리",
            "새",
        ],
    ),
    "en": (
        [
            "ba",
            "be",
            "bri",
            "ca",
            "cor",
            "da",
            "del",
            "dra",
            "el",
            "fa",
            "fen",
            "gal",
            "gra",
            "hal",
            "hol",
            "ja",
            "ka",
            "ker",
            "la",
            "lo",
            "mar",
            "mel",
            "mo",
            "na",
            "nor",
            "o",
            "pel",
            "qua",
            "ra",
            "ro",
            "sa",
            "sel",
            "ta",
            "tor",
            "u",
            "val",
            "ve",
            "wen",
            "yar",
            "zo",
        ],
        [
            "ban",
            "bert",
            "dale",
            "dan",
            "den",
            "don",
            "dric",
            "fax",
            "gard",
            "lan",
            "len",
            "lin",
            "lo",
            "mond",
            "na",
            "nell",
            "nor",
            "rick",
            "ron",
            "sa",
            "set",
            "tha",
            "ton",
            "vin",
            "wick",
            "wyn",
        ],
    ),
    "ru": (
        [
            "ба",
            "бе",
            "ва",
            "ве",
            "га",
            "го",
            "да",
            "де",
            "жа",
            "за",
            "зе",
            "ка",
            "ке",
            "ко",
            "ла",
            "ле",
            "ло",
            "ма",
            "ме",
            "мо",
            "на",
            "не",
            "но",
            "па",
            "пе",
            "ра",
            "ре",
            "ро",
            "са",
            "се",
            "та",
            "те",
            "то",
            "фа",
            "ха",
            "че",
            "ша",
            "ю",
            "я",
        ],
        [
            "вио",
            "гаро",
            "дели",
            "дани",
            "зори",
            "кани",
            "карро",
            "лако",
            "лени",
            "моро",
            "нелли",
            "ново",
            "рани",
            "рико",
            "сани",
            "тори",
            "тано",
            "фери",
            "харо",
            "чело",
        ],
    ),
}


VIETNAMESE = (
    ["B", "Ch", "D", "Đ", "G", "H", "Kh", "L", "M", "N", "Nh", "Ph", "T", "Tr", "V"],
    [
        "ang",
        "ánh",
        "ắc",
        "ân",
        "ao",
        "âu",
        "ế",
        "iên",
        "inh",
        "oàn",
        "ông",
        "ơn",
        "ương",
        "ưng",
        "ải",
        "ằng",
    ],
)


NAME_WORDS = {"ko": 1, "en": 1, "vi": 2, "ru": 1}  # of a name; a person's has one more


# What may be asked: for each language and kind of entity, (a fact's values, its sentences, its questions). The values
# are a pool's name below; "{e}" is the entity, "{v}" the value. Russian sentences avoid past tense and declined names.
FACTS = {
    "en": {
        "person": [
            (
                "year",
                ["{e} was born in {v}.", "The year of birth of {e} is {v}."],
                ["When was {e} born?", "In which year was {e} born?"],
            ),
            (
                "place",
                ["{e} grew up in {v}.", "{e} comes from the town of {v}."],
                ["Where does {e} come from?", "In which town did {e} grow up?"],
            ),
            (
                "job",
                ["{e} worked as a {v}.", "{e} earned a living as a {v}."],
                ["What did {e} work as?", "What was the profession of {e}?"],
            ),
            (
                "person",
                ["{e} learned from {v}.", "The teacher of {e} was {v}."],
                ["Who taught {e}?", "Who was the teacher of {e}?"],
            ),
        ],
        "place": [
            (
                "year",
                ["{e} was founded in {v}.", "The foundation of {e} dates from {v}."],
                ["When was {e} founded?", "In which year was {e} founded?"],
            ),
            (
                "number",
                ["{e} has {v} inhabitants.", "In {e} live {v} people."],
                ["How many people live in {e}?", "How many inhabitants does {e} have?"],
            ),
            (
                "ware",
                ["{e} is known for its {v}.", "People visit {e} for its {v}."],
                ["What is {e} known for?", "What do people visit {e} for?"],
            ),
            (
                "person",
                ["The mayor of {e} is {v}.", "{e} is governed by {v}."],
                ["Who is the mayor of {e}?", "Who governs {e}?"],
            ),
        ],
        "firm": [
            (
                "year",
                ["{e} was set up in {v}.", "{e} opened its doors in {v}."],
                ["When was {e} set up?", "In which year did {e} open?"],
            ),
            (
                "place",
                ["{e} has its seat in {v}.", "The head office of {e} is in {v}."],
                ["Where is the head office of {e}?", "Where does {e} have its seat?"],
            ),
            (
                "ware",
                ["{e} makes {v}.", "{e} is a maker of {v}."],
                ["What does {e} make?", "What is made by {e}?"],
            ),
            (
                "number",
                ["{e} employs {v} people.", "There are {v} workers at {e}."],
                ["How many people does {e} employ?", "How many workers are at {e}?"],
            ),
        ],
        "event": [
            (
                "year",
                ["{e} took place in {v}.", "{e} was held in {v}."],
                ["When was {e} held?", "In which year did {e} take place?"],
            ),
            (
                "place",
                ["{e} was hosted by the town of {v}.", "Visitors of {e} met in {v}."],
                ["Where did visitors of {e} meet?", "Which town hosted {e}?"],
            ),
            (
                "person",
                ["{e} was won by {v}.", "The winner of {e} was {v}."],
                ["Who won {e}?", "Who was the winner of {e}?"],
            ),
            (
                "number",
                ["{e} drew {v} visitors.", "There were {v} visitors at {e}."],
                ["How many visitors did {e} draw?", "How many visitors were at {e}?"],
            ),
        ],
    },
    "ko": {
        "person": [
            (
                "year",
                ["{e:은} {v}년에 태어났다.", "{e}의 출생 연도는 {v}년이다."],
                ["{e:이} 태어난 해는?", "{e:은} 몇 년에 태어났는가?"],
            ),
            (
                "place",
                ["{e:은} {v} 마을에서 자랐다.", "{e}의 고향은 {v} 마을이다."],
                ["{e:이} 자란 마을은?", "{e}의 고향은 어디인가?"],
            ),
            (
                "job",
                ["{e:은} {v} 일을 했다.", "{e}의 직업은 {v} 일이었다."],
                ["{e}의 직업은?", "{e:은} 무슨 일을 했는가?"],
            ),
            (
                "person",
                ["{e:은} {v} 선생에게서 배웠다.", "{e}의 스승은 {v} 선생이다."],
                ["{e}의 스승은?", "{e:은} 누구에게서 배웠는가?"],
            ),
        ],
        "place": [
            (
                "year",
                ["{e:은} {v}년에 세워졌다.", "{e}의 역사는 {v}년에 시작되었다."],
                ["{e:이} 세워진 해는?", "{e}의 역사는 몇 년에 시작되었는가?"],
            ),
            (
                "number",
                ["{e}의 인구는 {v} 명이다.", "{e}에는 {v} 명이 산다."],
                ["{e}의 인구는?", "{e}에는 몇 명이 사는가?"],
            ),
            (
                "ware",
                ["{e:은} {v} 산지로 유명하다.", "사람들은 {v} 때문에 {e:을} 찾는다."],
                ["{e:은} 무엇으로 유명한가?", "사람들이 {e:을} 찾는 이유는?"],
            ),
            (
                "person",
                ["{e}의 시장은 {v} 씨이다.", "{e:은} {v} 씨가 다스린다."],
                ["{e}의 시장은?", "{e:을} 다스리는 사람은 누구인가?"],
            ),
        ],
        "firm": [
            (
                "year",
                ["{e:은} {v}년에 문을 열었다.", "{e}의 설립 연도는 {v}년이다."],
                ["{e:이} 문을 연 해는?", "{e}의 설립 연도는 언제인가?"],
            ),
            (
                "place",
                ["{e}의 본사는 {v} 시에 있다.", "{e:은} {v} 시에 자리를 잡았다."],
                ["{e}의 본사는 어디에 있는가?", "{e:이} 자리를 잡은 도시는?"],
            ),
            (
                "ware",
                ["{e:은} {v} 제품을 만든다.", "{e}의 주력은 {v} 제품이다."],
                ["{e:이} 만드는 제품은?", "{e}의 주력 제품은 무엇인가?"],
            ),
            (
                "number",
                ["{e}의 직원은 {v} 명이다.", "{e}에서는 {v} 명이 일한다."],
                ["{e}의 직원은 몇 명인가?", "{e}에서 일하는 사람의 수는?"],
            ),
        ],
        "event": [
            (
                "year",
                ["{e:은} {v}년에 열렸다.", "{e}의 개최 연도는 {v}년이다."],
                ["{e:이} 열린 해는?", "{e}의 개최 연도는 언제인가?"],
            ),
            (
                "place",
                ["{e:은} {v} 시가 주최했다.", "{e}의 손님은 {v} 시에 모였다."],
                ["{e:을} 주최한 도시는?", "{e}의 손님이 모인 곳은?"],
            ),
            (
                "person",
                ["{e}의 우승자는 {v} 선수이다.", "{e}에서는 {v} 선수가 이겼다."],
                ["{e}의 우승자는?", "{e}에서 이긴 사람은 누구인가?"],
            ),
            (
                "number",
                ["{e}의 관객은 {v} 명이었다.", "{e}에는 {v} 명이 왔다."],
                ["{e}의 관객은 몇 명인가?", "{e}에 온 사람의 수는?"],
            ),
        ],
    },
    "vi": {
        "person": [
            (
                "year",
                ["{e} sinh năm {v}.", "Năm sinh của {e} là {v}."],
                ["{e} sinh năm nào?", "Năm sinh của {e} là năm nào?"],
            ),
            (
                "place",
                ["{e} lớn lên ở {v}.", "Quê của {e} là {v}."],
                ["{e} lớn lên ở đâu?", "Quê của {e} là ở đâu?"],
            ),
            (
                "job",
                ["{e} làm nghề {v}.", "Nghề của {e} là {v}."],
                ["{e} làm nghề gì?", "Nghề của {e} là gì?"],
            ),
            (
                "person",
                ["{e} học với {v}.", "Thầy của {e} là {v}."],
                ["{e} học với ai?", "Thầy của {e} là ai?"],
            ),
        ],
        "place": [
            (
                "year",
                ["{e} được lập năm {v}.", "Lịch sử của {e} bắt đầu năm {v}."],
                ["{e} được lập năm nào?", "Lịch sử của {e} bắt đầu khi nào?"],
            ),
            (
                "number",
                ["{e} có {v} dân.", "Dân số của {e} là {v} người."],
                ["{e} có bao nhiêu dân?", "Dân số của {e} là bao nhiêu?"],
            ),
            (
                "ware",
                ["{e} nổi tiếng với {v}.", "Người ta đến {e} vì {v}."],
                ["{e} nổi tiếng với thứ gì?", "Người ta đến {e} vì cái gì?"],
            ),
            (
                "person",
                ["Thị trưởng của {e} là {v}.", "{e} do {v} quản lý."],
                ["Ai là thị trưởng của {e}?", "{e} do ai quản lý?"],
            ),
        ],
        "firm": [
            (
                "year",
                ["{e} mở cửa năm {v}.", "{e} ra đời năm {v}."],
                ["{e} mở cửa năm nào?", "{e} ra đời khi nào?"],
            ),
            (
                "place",
                ["{e} có trụ sở ở {v}.", "Trụ sở của {e} nằm tại {v}."],
                ["{e} có trụ sở ở đâu?", "Trụ sở của {e} nằm tại đâu?"],
            ),
            (
                "ware",
                ["{e} sản xuất {v}.", "Sản phẩm của {e} là {v}."],
                ["{e} sản xuất cái gì?", "Sản phẩm của {e} là gì?"],
            ),
            (
                "number",
                ["{e} có {v} nhân viên.", "Tại {e} có {v} người làm việc."],
                ["{e} có bao nhiêu nhân viên?", "Bao nhiêu người làm việc tại {e}?"],
            ),
        ],
        "event": [
            (
                "year",
                ["{e} diễn ra năm {v}.", "{e} được tổ chức năm {v}."],
                ["{e} diễn ra năm nào?", "{e} được tổ chức khi nào?"],
            ),
            (
                "place",
                ["{e} được mở tại {v}.", "Khách của {e} gặp nhau ở {v}."],
                ["{e} được mở tại đâu?", "Khách của {e} gặp nhau ở đâu?"],
            ),
            (
                "person",
                ["Người thắng {e} là {v}.", "{e} do {v} vô địch."],
                ["Ai thắng {e}?", "{e} do ai vô địch?"],
            ),
            (
                "number",
                ["{e} đón {v} khách.", "Có {v} người đến {e}."],
                ["{e} đón bao nhiêu khách?", "Có bao nhiêu người đến {e}?"],
            ),
        ],
    },
    "ru": {
        "person": [
            (
                "year",
                ["{e} появляется на свет в {v} году.", "Год рождения {e}: {v}."],
                ["В каком году появляется на свет {e}?", "Каков год рождения {e}?"],
            ),
            (
                "place",
                ["Родина {e} — город {v}.", "{e} растёт в городе {v}."],
                ["В каком городе растёт {e}?", "Какой город — родина {e}?"],
            ),
            (
                "job",
                ["Профессия {e} — {v}.", "{e} по профессии {v}."],
                ["Кто {e} по профессии?", "Какова профессия {e}?"],
            ),
            (
                "person",
                ["{e} учится у мастера {v}.", "Учителем {e} называют {v}."],
                ["У кого учится {e}?", "Кого называют учителем {e}?"],
            ),
        ],
        "place": [
            (
                "year",
                ["Город {e} основан в {v} году.", "История города {e} начинается в {v} году."],
                ["Когда основан город {e}?", "В каком году начинается история города {e}?"],
            ),
            (
                "number",
                ["В городе {e} живут {v} человек.", "Население города {e} — {v} человек."],
                ["Сколько человек живут в городе {e}?", "Каково население города {e}?"],
            ),
            (
                "ware",
                ["Город {e} продаёт {v}.", "В городе {e} делают {v}."],
                ["Что продаёт город {e}?", "Что делают в городе {e}?"],
            ),
            (
                "person",
                ["Мэр города {e} — {v}.", "Городом {e} управляет {v}."],
                ["Кто мэр города {e}?", "Кто управляет городом {e}?"],
            ),
        ],
        "firm": [
            (
                "year",
                ["Фирма {e} открыта в {v} году.", "Фирма {e} работает с {v} года."],
                ["Когда открыта фирма {e}?", "С какого года работает фирма {e}?"],
            ),
            (
                "place",
                ["Фирма {e} находится в городе {v}.", "Главная контора фирмы {e} — в городе {v}."],
                ["Где находится фирма {e}?", "В каком городе главная контора фирмы {e}?"],
            ),
            (
                "ware",
                ["Фирма {e} выпускает {v}.", "Товар фирмы {e} — {v}."],
                ["Что выпускает фирма {e}?", "Каков товар фирмы {e}?"],
            ),
            (
                "number",
                ["В фирме {e} работают {v} человек.", "Штат фирмы {e} — {v} человек."],
                ["Сколько человек работают в фирме {e}?", "Каков штат фирмы {e}?"],
            ),
        ],
        "event": [
            (
                "year",
                ["{e} проходит в {v} году.", "Гости видят {e} в {v} году."],
                ["В каком году проходит {e}?", "В каком году гости видят {e}?"],
            ),
            (
                "place",
                ["{e} принимает город {v}.", "Гости {e} едут в город {v}."],
                ["Какой город принимает {e}?", "В какой город едут гости {e}?"],
            ),
            (
                "person",
                ["Победитель {e} — {v}.", "{e} выигрывает {v}."],
                ["Кто победитель {e}?", "Кто выигрывает {e}?"],
            ),
            (
                "number",
                ["{e} собирает {v} гостей.", "На {e} приходят {v} гостей."],
                ["Сколько гостей собирает {e}?", "Сколько гостей приходят на {e}?"],
            ),
        ],
    },
}


WORDS = {
    "en": {
        "job": [
            "baker",
            "blacksmith",
            "carpenter",
            "dentist",
            "farmer",
            "gardener",
            "judge",
            "nurse",
            "painter",
            "pilot",
            "poet",
            "sailor",
            "singer",
            "surgeon",
            "tailor",
            "teacher",
        ],
        "ware": [
            "clocks",
            "carpets",
            "bridges",
            "candles",
            "cheese",
            "glassware",
            "gloves",
            "honey",
            "kites",
            "lamps",
            "paper",
            "pottery",
            "salt",
            "ships",
            "tea",
            "violins",
        ],
    },
    "ko": {
        "job": [
            "제빵",
            "대장",
            "목수",
            "치과",
            "농사",
            "정원",
            "재판",
            "간호",
            "그림",
            "비행",
            "시인",
            "항해",
            "노래",
            "수술",
            "재봉",
            "교사",
        ],
        "ware": [
            "시계",
            "양탄자",
            "다리",
            "양초",
            "치즈",
            "유리",
            "장갑",
            "벌꿀",
            "연",
            "등불",
            "종이",
            "도자기",
            "소금",
            "선박",
            "녹차",
            "바이올린",
        ],
    },
    "vi": {
        "job": [
            "thợ bánh",
            "thợ rèn",
            "thợ mộc",
            "nha sĩ",
            "nông dân",
            "làm vườn",
            "thẩm phán",
            "y tá",
            "họa sĩ",
            "phi công",
            "nhà thơ",
            "thủy thủ",
            "ca sĩ",
            "bác sĩ",
            "thợ may",
            "giáo viên",
        ],
        "ware": [
            "đồng hồ",
            "thảm",
            "cầu",
            "nến",
            "pho mát",
            "thủy tinh",
            "găng tay",
            "mật ong",
            "diều",
            "đèn",
            "giấy",
            "đồ gốm",
            "muối",
            "tàu thuyền",
            "trà",
            "vĩ cầm",
        ],
    },
    "ru": {
        "job": [
            "пекарь",
            "кузнец",
            "плотник",
            "дантист",
            "фермер",
            "садовник",
            "судья",
            "медик",
            "художник",
            "пилот",
            "поэт",
            "моряк",
            "певец",
            "хирург",
            "портной",
            "учитель",
        ],
        "ware": [
            "часы",
            "ковры",
            "мосты",
            "свечи",
            "сыр",
            "стекло",
            "перчатки",
            "мёд",
            "змеев",
            "лампы",
            "бумагу",
            "посуду",
            "соль",
            "корабли",
            "чай",
            "скрипки",
        ],
    },
}


SUFFIXES = {  # what makes a name a firm's or an event's
    "en": {"firm": "Works|Brothers|Company|Trading", "event": "Cup|Fair|Festival|Games"},
    "ko": {"firm": "상사|공업|상회|산업", "event": "축제|대회|박람회|경기"},
    "vi": {"firm": "Công ty|Hãng|Xưởng|Tập đoàn", "event": "Hội chợ|Giải|Lễ hội|Cúp"},
    "ru": {"firm": "Трейд|Пром|Строй|Лайн", "event": "Фест|Кубок|Турнир|Форум"},
}


def sample_examples(split="train", languages=LANGUAGES, unanswerable=False, seed=0):
    """Generate one part of the corpus: the same examples for the same arguments, on every machine.

    split: "train" or "validation"; languages: some of "ko", "en", "vi", "ru", in equal shares; unanswerable: let a
    quarter of the questions ask about an entity that their context does not name. Returns an ExampleList.
    """
    examples = ExampleList(
        source=":".join(["sample", ",".join(languages)] + ["unanswerable"] * unanswerable),
        version="sample",
    )
    for language in languages:
        rng = random.Random(f"{seed} {split} {language}")
        for number in range(CONTEXTS[split] // len(languages)):
            examples += _one_context(
                rng, f"{split}-{language}-{number}", split, language, unanswerable
            )
    return examples


def load_sample(spec, split="train"):
    """One part of the corpus that `sample[:LANGUAGES][:unanswerable]` names, as in "sample:ko,en". Raises InputError."""
    if not is_sample(spec):
        raise InputError(
            f"--data {spec}: the built-in corpus is called sample; a file to train on is a --train-file."
        )
    if split not in CONTEXTS:
        raise InputError(
            f"--data {spec}: has the splits {' and '.join(CONTEXTS)}, and not '{split}'."
        )
    languages, unanswerable = LANGUAGES, False
    for part in spec.split(":")[1:]:
        if part == "unanswerable":
            unanswerable = True
        else:
            languages = tuple(dict.fromkeys(part.split(",")))
            if not set(languages) <= set(LANGUAGES):
                raise InputError(
                    f"--data {spec}: '{part}' is neither 'unanswerable' nor a list of {', '.join(LANGUAGES)}."
                )
    return sample_examples(split, languages, unanswerable)


def is_sample(source):
    """Whether a data source names the built-in corpus, and no file."""
    return str(source).split(":")[0] == "sample"


def _one_context(rng, context_id, split, language, unanswerable):
    kind = rng.choice(list(FACTS[language]))
    facts = rng.sample(FACTS[language][kind], k=2)  # the same for every entity of the context
    size = rng.randint(8, 9) if rng.random() < LONG_SHARE else rng.choice((3, 3, 4))
    entities = _names(rng, split, language, kind, size)

    context, told = "", []  # told: (entity, fact, value, where the value begins)
    for entity in entities:
        for fact in rng.sample(facts, k=len(facts)):
            value = _value(rng, split, language, fact[0])
            before, after = rng.choice(fact[1]).split("{v", 1)
            context += " " if context else ""
            context += before.format(e=entity)
            told.append((entity, fact, value, len(context)))
            context += ("{v" + after).format(v=value, e=entity)

    absent = entities[0]
    while (
        unanswerable and absent in context
    ):  # until the name is of nobody of whom the context tells
        (absent,) = _names(rng, split, language, kind, 1)

    examples = []
    for number, (entity, fact, value, start) in enumerate(rng.sample(told, k=2)):
        is_impossible = unanswerable and rng.random() < UNANSWERABLE_SHARE
        question = rng.choice(fact[2]).format(e=absent if is_impossible else entity)
        answers = () if is_impossible else (Answer(str(value), start),)
        examples.append(
            Example(
                f"{context_id}-{number}",
                question,
                context,
                answers,
                is_impossible,
                title=context_id,
            )
        )
    return examples


def _value(rng, split, language, pool):
    if pool == "year":
        value = str(rng.randint(1750, 2020))
    elif pool == "number":
        value = str(rng.randint(21, 9999))
    elif pool in ("job", "ware"):
        value = rng.choice(WORDS[language][pool])
    else:
        return _names(rng, split, language, pool, 1)[0]
    return Hangul(value) if language == "ko" else value


def _names(rng, split, language, kind, count):
    """Draw `count` different names of one kind that belong to the split: a hash of the name deals it to one side."""
    names = []
    while len(names) < count:
        words = [_word(rng, language) for _ in range(NAME_WORDS[language] + (kind == "person"))]
        if kind in SUFFIXES[language]:
            suffix = rng.choice(SUFFIXES[language][kind].split("|"))
            words = [suffix, *words] if language == "vi" else [*words, suffix]
        name = " ".join(words)
        is_validation = zlib.crc32(name.encode()) % 5 == 0
        if is_validation == (split == "validation") and name not in names:
            names.append(Hangul(name) if language == "ko" else name)
    return names


def _word(rng, language):
    if language == "vi":
        return rng.choice(VIETNAMESE[0]) + rng.choice(VIETNAMESE[1])
    beginnings, ends = SYLLABLES[language]
    word = (
        rng.choice(beginnings)
        + (rng.choice(beginnings) if language == "ko" and rng.random() < 0.5 else "")
        + rng.choice(ends)
    )
    return word if language == "ko" else word.capitalize()

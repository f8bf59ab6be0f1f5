"""The words and sentences that the built-in corpus is made of, in four languages."""

from typing import NamedTuple


class Fact(NamedTuple):
    """Something to tell and to ask of an entity.

    Attributes:
        pool: what its values are drawn from: "year", "number", "job", "ware", or the names of a
            kind of entity.
        sentences: ways to tell it; "{e}" is the entity, "{v}" the value.
        questions: ways to ask for it.
    """

    pool: str
    sentences: list[str]
    questions: list[str]


def _split(text: str, separator: str = " ") -> list[str]:
    """The words of a text."""
    return text.split(separator)


# The syllables of a name: each of its words is one or two beginnings and an end.
BEGINNINGS = {
    "ko": _split(
        "가 나 다 라 마 바 사 아 자 하 고 노 도 로 모 보 소 오 조 호 구 누 두 루 무 "
        "부 수 우 주 후 기 니 디 리 미 비 시 지 히 세 네 데 레 메"
    ),
    "en": _split(
        "ba be bri ca cor da del dra el fa fen gal gra hal hol ja ka ker la lo mar "
        "mel mo na nor o pel qua ra ro sa sel ta tor u val ve wen yar zo"
    ),
    "ru": _split(
        "ба бе ва ве га го да де жа за зе ка ке ко ла ле ло ма ме мо на не но па пе "
        "ра ре ро са се та те то фа ха че ша ю я"
    ),
    "vi": _split("B Ch D Đ G H Kh L M N Nh Ph T Tr V"),
}

ENDS = {
    "ko": _split("란 빈 솔 담 율 해 온 겸 별 찬 든 람 봄 샘 결 터 벼 루 미 나 호 주 리 새"),
    "en": _split(
        "ban bert dale dan den don dric fax gard lan len lin lo mond na nell nor rick "
        "ron sa set tha ton vin wick wyn"
    ),
    "ru": _split(
        "вио гаро дели дани зори кани карро лако лени моро нелли ново рани рико сани "
        "тори тано фери харо чело"
    ),
    "vi": _split("ang ánh ắc ân ao âu ế iên inh oàn ông ơn ương ưng ải ằng"),
}

# How many words a name has. A person has one more.
NAME_WORDS = {"ko": 1, "en": 1, "vi": 2, "ru": 1}

# What makes a name one of a firm or an event.
SUFFIXES = {
    "en": {
        "firm": ["Works", "Brothers", "Company", "Trading"],
        "event": ["Cup", "Fair", "Festival", "Games"],
    },
    "ko": {
        "firm": ["상사", "공업", "상회", "산업"],
        "event": ["축제", "대회", "박람회", "경기"],
    },
    "vi": {
        "firm": ["Công ty", "Hãng", "Xưởng", "Tập đoàn"],
        "event": ["Hội chợ", "Giải", "Lễ hội", "Cúp"],
    },
    "ru": {
        "firm": ["Трейд", "Пром", "Строй", "Лайн"],
        "event": ["Фест", "Кубок", "Турнир", "Форум"],
    },
}

# The values of the pools "job" and "ware".
WORDS = {
    "en": {
        "job": _split(
            "baker, blacksmith, carpenter, dentist, farmer, gardener, judge, nurse, "
            "painter, pilot, poet, sailor, singer, surgeon, tailor, teacher",
            ", ",
        ),
        "ware": _split(
            "clocks, carpets, bridges, candles, cheese, glassware, gloves, honey, kites, "
            "lamps, paper, pottery, salt, ships, tea, violins",
            ", ",
        ),
    },
    "ko": {
        "job": _split(
            "제빵, 대장, 목수, 치과, 농사, 정원, 재판, 간호, 그림, 비행, 시인, 항해, 노래, "
            "수술, 재봉, 교사",
            ", ",
        ),
        "ware": _split(
            "시계, 양탄자, 다리, 양초, 치즈, 유리, 장갑, 벌꿀, 연, 등불, 종이, 도자기, "
            "소금, 선박, 녹차, 바이올린",
            ", ",
        ),
    },
    "vi": {
        "job": _split(
            "thợ bánh, thợ rèn, thợ mộc, nha sĩ, nông dân, làm vườn, thẩm phán, y tá, "
            "họa sĩ, phi công, nhà thơ, thủy thủ, ca sĩ, bác sĩ, thợ may, giáo viên",
            ", ",
        ),
        "ware": _split(
            "đồng hồ, thảm, cầu, nến, pho mát, thủy tinh, găng tay, mật ong, diều, đèn, "
            "giấy, đồ gốm, muối, tàu thuyền, trà, vĩ cầm",
            ", ",
        ),
    },
    "ru": {
        "job": _split(
            "пекарь, кузнец, плотник, дантист, фермер, садовник, судья, медик, художник, "
            "пилот, поэт, моряк, певец, хирург, портной, учитель",
            ", ",
        ),
        "ware": _split(
            "часы, ковры, мосты, свечи, сыр, стекло, перчатки, мёд, змеев, лампы, бумагу, "
            "посуду, соль, корабли, чай, скрипки",
            ", ",
        ),
    },
}

# What may be asked, for each language and kind of entity. Russian sentences avoid the past tense
# and declined names, whose forms depend on gender.
FACTS = {
    "en": {
        "person": [
            Fact(
                "year",
                ["{e} was born in {v}.", "The year of birth of {e} is {v}."],
                ["When was {e} born?", "In which year was {e} born?"],
            ),
            Fact(
                "place",
                ["{e} grew up in {v}.", "{e} comes from the town of {v}."],
                ["Where does {e} come from?", "In which town did {e} grow up?"],
            ),
            Fact(
                "job",
                ["{e} worked as a {v}.", "{e} earned a living as a {v}."],
                ["What did {e} work as?", "What was the profession of {e}?"],
            ),
            Fact(
                "person",
                ["{e} learned from {v}.", "The teacher of {e} was {v}."],
                ["Who taught {e}?", "Who was the teacher of {e}?"],
            ),
        ],
        "place": [
            Fact(
                "year",
                ["{e} was founded in {v}.", "The foundation of {e} dates from {v}."],
                ["When was {e} founded?", "In which year was {e} founded?"],
            ),
            Fact(
                "number",
                ["{e} has {v} inhabitants.", "In {e} live {v} people."],
                ["How many people live in {e}?", "How many inhabitants does {e} have?"],
            ),
            Fact(
                "ware",
                ["{e} is known for its {v}.", "People visit {e} for its {v}."],
                ["What is {e} known for?", "What do people visit {e} for?"],
            ),
            Fact(
                "person",
                ["The mayor of {e} is {v}.", "{e} is governed by {v}."],
                ["Who is the mayor of {e}?", "Who governs {e}?"],
            ),
        ],
        "firm": [
            Fact(
                "year",
                ["{e} was set up in {v}.", "{e} opened its doors in {v}."],
                ["When was {e} set up?", "In which year did {e} open?"],
            ),
            Fact(
                "place",
                ["{e} has its seat in {v}.", "The head office of {e} is in {v}."],
                ["Where is the head office of {e}?", "Where does {e} have its seat?"],
            ),
            Fact(
                "ware",
                ["{e} makes {v}.", "{e} is a maker of {v}."],
                ["What does {e} make?", "What is made by {e}?"],
            ),
            Fact(
                "number",
                ["{e} employs {v} people.", "There are {v} workers at {e}."],
                ["How many people does {e} employ?", "How many workers are at {e}?"],
            ),
        ],
        "event": [
            Fact(
                "year",
                ["{e} took place in {v}.", "{e} was held in {v}."],
                ["When was {e} held?", "In which year did {e} take place?"],
            ),
            Fact(
                "place",
                ["{e} was hosted by the town of {v}.", "Visitors of {e} met in {v}."],
                ["Where did visitors of {e} meet?", "Which town hosted {e}?"],
            ),
            Fact(
                "person",
                ["{e} was won by {v}.", "The winner of {e} was {v}."],
                ["Who won {e}?", "Who was the winner of {e}?"],
            ),
            Fact(
                "number",
                ["{e} drew {v} visitors.", "There were {v} visitors at {e}."],
                ["How many visitors did {e} draw?", "How many visitors were at {e}?"],
            ),
        ],
    },
    "ko": {
        "person": [
            Fact(
                "year",
                ["{e:은} {v}년에 태어났다.", "{e}의 출생 연도는 {v}년이다."],
                ["{e:이} 태어난 해는?", "{e:은} 몇 년에 태어났는가?"],
            ),
            Fact(
                "place",
                ["{e:은} {v} 마을에서 자랐다.", "{e}의 고향은 {v} 마을이다."],
                ["{e:이} 자란 마을은?", "{e}의 고향은 어디인가?"],
            ),
            Fact(
                "job",
                ["{e:은} {v} 일을 했다.", "{e}의 직업은 {v} 일이었다."],
                ["{e}의 직업은?", "{e:은} 무슨 일을 했는가?"],
            ),
            Fact(
                "person",
                ["{e:은} {v} 선생에게서 배웠다.", "{e}의 스승은 {v} 선생이다."],
                ["{e}의 스승은?", "{e:은} 누구에게서 배웠는가?"],
            ),
        ],
        "place": [
            Fact(
                "year",
                ["{e:은} {v}년에 세워졌다.", "{e}의 역사는 {v}년에 시작되었다."],
                ["{e:이} 세워진 해는?", "{e}의 역사는 몇 년에 시작되었는가?"],
            ),
            Fact(
                "number",
                ["{e}의 인구는 {v} 명이다.", "{e}에는 {v} 명이 산다."],
                ["{e}의 인구는?", "{e}에는 몇 명이 사는가?"],
            ),
            Fact(
                "ware",
                ["{e:은} {v} 산지로 유명하다.", "사람들은 {v} 때문에 {e:을} 찾는다."],
                ["{e:은} 무엇으로 유명한가?", "사람들이 {e:을} 찾는 이유는?"],
            ),
            Fact(
                "person",
                ["{e}의 시장은 {v} 씨이다.", "{e:은} {v} 씨가 다스린다."],
                ["{e}의 시장은?", "{e:을} 다스리는 사람은 누구인가?"],
            ),
        ],
        "firm": [
            Fact(
                "year",
                ["{e:은} {v}년에 문을 열었다.", "{e}의 설립 연도는 {v}년이다."],
                ["{e:이} 문을 연 해는?", "{e}의 설립 연도는 언제인가?"],
            ),
            Fact(
                "place",
                ["{e}의 본사는 {v} 시에 있다.", "{e:은} {v} 시에 자리를 잡았다."],
                ["{e}의 본사는 어디에 있는가?", "{e:이} 자리를 잡은 도시는?"],
            ),
            Fact(
                "ware",
                ["{e:은} {v} 제품을 만든다.", "{e}의 주력은 {v} 제품이다."],
                ["{e:이} 만드는 제품은?", "{e}의 주력 제품은 무엇인가?"],
            ),
            Fact(
                "number",
                ["{e}의 직원은 {v} 명이다.", "{e}에서는 {v} 명이 일한다."],
                ["{e}의 직원은 몇 명인가?", "{e}에서 일하는 사람의 수는?"],
            ),
        ],
        "event": [
            Fact(
                "year",
                ["{e:은} {v}년에 열렸다.", "{e}의 개최 연도는 {v}년이다."],
                ["{e:이} 열린 해는?", "{e}의 개최 연도는 언제인가?"],
            ),
            Fact(
                "place",
                ["{e:은} {v} 시가 주최했다.", "{e}의 손님은 {v} 시에 모였다."],
                ["{e:을} 주최한 도시는?", "{e}의 손님이 모인 곳은?"],
            ),
            Fact(
                "person",
                ["{e}의 우승자는 {v} 선수이다.", "{e}에서는 {v} 선수가 이겼다."],
                ["{e}의 우승자는?", "{e}에서 이긴 사람은 누구인가?"],
            ),
            Fact(
                "number",
                ["{e}의 관객은 {v} 명이었다.", "{e}에는 {v} 명이 왔다."],
                ["{e}의 관객은 몇 명인가?", "{e}에 온 사람의 수는?"],
            ),
        ],
    },
    "vi": {
        "person": [
            Fact(
                "year",
                ["{e} sinh năm {v}.", "Năm sinh của {e} là {v}."],
                ["{e} sinh năm nào?", "Năm sinh của {e} là năm nào?"],
            ),
            Fact(
                "place",
                ["{e} lớn lên ở {v}.", "Quê của {e} là {v}."],
                ["{e} lớn lên ở đâu?", "Quê của {e} là ở đâu?"],
            ),
            Fact(
                "job",
                ["{e} làm nghề {v}.", "Nghề của {e} là {v}."],
                ["{e} làm nghề gì?", "Nghề của {e} là gì?"],
            ),
            Fact(
                "person",
                ["{e} học với {v}.", "Thầy của {e} là {v}."],
                ["{e} học với ai?", "Thầy của {e} là ai?"],
            ),
        ],
        "place": [
            Fact(
                "year",
                ["{e} được lập năm {v}.", "Lịch sử của {e} bắt đầu năm {v}."],
                ["{e} được lập năm nào?", "Lịch sử của {e} bắt đầu khi nào?"],
            ),
            Fact(
                "number",
                ["{e} có {v} dân.", "Dân số của {e} là {v} người."],
                ["{e} có bao nhiêu dân?", "Dân số của {e} là bao nhiêu?"],
            ),
            Fact(
                "ware",
                ["{e} nổi tiếng với {v}.", "Người ta đến {e} vì {v}."],
                ["{e} nổi tiếng với thứ gì?", "Người ta đến {e} vì cái gì?"],
            ),
            Fact(
                "person",
                ["Thị trưởng của {e} là {v}.", "{e} do {v} quản lý."],
                ["Ai là thị trưởng của {e}?", "{e} do ai quản lý?"],
            ),
        ],
        "firm": [
            Fact(
                "year",
                ["{e} mở cửa năm {v}.", "{e} ra đời năm {v}."],
                ["{e} mở cửa năm nào?", "{e} ra đời khi nào?"],
            ),
            Fact(
                "place",
                ["{e} có trụ sở ở {v}.", "Trụ sở của {e} nằm tại {v}."],
                ["{e} có trụ sở ở đâu?", "Trụ sở của {e} nằm tại đâu?"],
            ),
            Fact(
                "ware",
                ["{e} sản xuất {v}.", "Sản phẩm của {e} là {v}."],
                ["{e} sản xuất cái gì?", "Sản phẩm của {e} là gì?"],
            ),
            Fact(
                "number",
                ["{e} có {v} nhân viên.", "Tại {e} có {v} người làm việc."],
                ["{e} có bao nhiêu nhân viên?", "Bao nhiêu người làm việc tại {e}?"],
            ),
        ],
        "event": [
            Fact(
                "year",
                ["{e} diễn ra năm {v}.", "{e} được tổ chức năm {v}."],
                ["{e} diễn ra năm nào?", "{e} được tổ chức khi nào?"],
            ),
            Fact(
                "place",
                ["{e} được mở tại {v}.", "Khách của {e} gặp nhau ở {v}."],
                ["{e} được mở tại đâu?", "Khách của {e} gặp nhau ở đâu?"],
            ),
            Fact(
                "person",
                ["Người thắng {e} là {v}.", "{e} do {v} vô địch."],
                ["Ai thắng {e}?", "{e} do ai vô địch?"],
            ),
            Fact(
                "number",
                ["{e} đón {v} khách.", "Có {v} người đến {e}."],
                ["{e} đón bao nhiêu khách?", "Có bao nhiêu người đến {e}?"],
            ),
        ],
    },
    "ru": {
        "person": [
            Fact(
                "year",
                ["{e} появляется на свет в {v} году.", "Год рождения {e}: {v}."],
                ["В каком году появляется на свет {e}?", "Каков год рождения {e}?"],
            ),
            Fact(
                "place",
                ["Родина {e} — город {v}.", "{e} растёт в городе {v}."],
                ["В каком городе растёт {e}?", "Какой город — родина {e}?"],
            ),
            Fact(
                "job",
                ["Профессия {e} — {v}.", "{e} по профессии {v}."],
                ["Кто {e} по профессии?", "Какова профессия {e}?"],
            ),
            Fact(
                "person",
                ["{e} учится у мастера {v}.", "Учителем {e} называют {v}."],
                ["У кого учится {e}?", "Кого называют учителем {e}?"],
            ),
        ],
        "place": [
            Fact(
                "year",
                ["Город {e} основан в {v} году.", "История города {e} начинается в {v} году."],
                ["Когда основан город {e}?", "В каком году начинается история города {e}?"],
            ),
            Fact(
                "number",
                ["В городе {e} живут {v} человек.", "Население города {e} — {v} человек."],
                ["Сколько человек живут в городе {e}?", "Каково население города {e}?"],
            ),
            Fact(
                "ware",
                ["Город {e} продаёт {v}.", "В городе {e} делают {v}."],
                ["Что продаёт город {e}?", "Что делают в городе {e}?"],
            ),
            Fact(
                "person",
                ["Мэр города {e} — {v}.", "Городом {e} управляет {v}."],
                ["Кто мэр города {e}?", "Кто управляет городом {e}?"],
            ),
        ],
        "firm": [
            Fact(
                "year",
                ["Фирма {e} открыта в {v} году.", "Фирма {e} работает с {v} года."],
                ["Когда открыта фирма {e}?", "С какого года работает фирма {e}?"],
            ),
            Fact(
                "place",
                ["Фирма {e} находится в городе {v}.", "Главная контора фирмы {e} — в городе {v}."],
                ["Где находится фирма {e}?", "В каком городе главная контора фирмы {e}?"],
            ),
            Fact(
                "ware",
                ["Фирма {e} выпускает {v}.", "Товар фирмы {e} — {v}."],
                ["Что выпускает фирма {e}?", "Каков товар фирмы {e}?"],
            ),
            Fact(
                "number",
                ["В фирме {e} работают {v} человек.", "Штат фирмы {e} — {v} человек."],
                ["Сколько человек работают в фирме {e}?", "Каков штат фирмы {e}?"],
            ),
        ],
        "event": [
            Fact(
                "year",
                ["{e} проходит в {v} году.", "Гости видят {e} в {v} году."],
                ["В каком году проходит {e}?", "В каком году гости видят {e}?"],
            ),
            Fact(
                "place",
                ["{e} принимает город {v}.", "Гости {e} едут в город {v}."],
                ["Какой город принимает {e}?", "В какой город едут гости {e}?"],
            ),
            Fact(
                "person",
                ["Победитель {e} — {v}.", "{e} выигрывает {v}."],
                ["Кто победитель {e}?", "Кто выигрывает {e}?"],
            ),
            Fact(
                "number",
                ["{e} собирает {v} гостей.", "На {e} приходят {v} гостей."],
                ["Сколько гостей собирает {e}?", "Сколько гостей приходят на {e}?"],
            ),
        ],
    },
}

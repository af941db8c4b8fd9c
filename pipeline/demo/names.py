"""Invented people and companies. Phones and addresses are of kinds that can't belong to anybody."""

import functools
import random
from typing import NamedTuple


def _words(text: str) -> list[str]:
    return text.split()


FIRST = _words(
    """
    Alice Amelia Andrew Anna Arthur Ben Carol Chloe Claire Daniel David Edward Ella Emma Ethan Fiona Frank George
    Grace Hannah Harry Helen Henry Irene Isaac Jack Jane Julia Karen Kate Laura Leo Liam Lucy Mark Martin Mary Megan
    Nathan Nora Oliver Oscar Paul Peter Rachel Robert Rose Ruth Simon Sophie Stella Thomas Tina Victor Walter Zoe
    """
)
LAST = _words(
    """
    Abbott Archer Baker Barnes Bell Bishop Brooks Burton Carver Chapman Clark Cole Cooper Crane Dalton Dawson Drake
    Ellis Fisher Fletcher Foster Fox Gibson Grant Hale Harper Hart Hayes Holt Hughes Hunter Irving Keller Knight
    Lane Lawson Marsh Mason Mercer Miller Morgan Nash Norris Palmer Parker Pierce Porter Quinn Reed Rhodes Rowe
    Sawyer Shaw Sheldon Stone Sutton Tanner Turner Wade Walsh Ward Weaver Webb Wells West Winter York
    """
)
MEN = _words(
    """
    Александр Алексей Андрей Антон Артём Борис Вадим Виктор Глеб Григорий Денис Дмитрий Егор Иван Игорь Илья Кирилл
    Константин Лев Максим Михаил Никита Николай Олег Павел Пётр Роман Сергей Степан Тимур Фёдор Юрий
    """
)
WOMEN = _words(
    """
    Александра Алина Алла Анна Варвара Вера Виктория Галина Дарья Евгения Екатерина Елена Жанна Зоя Ирина Ксения
    Лариса Любовь Марина Мария Надежда Наталья Нина Оксана Ольга Полина Светлана Софья Тамара Татьяна Юлия Яна
    """
)
SURNAMES = _words(
    """
    Абрамов Баранов Белов Богданов Виноградов Волков Воробьёв Гаврилов Голубев Григорьев Гусев Давыдов Ершов Жуков
    Зайцев Захаров Иванов Калинин Киселёв Климов Ковалёв Козлов Комаров Кузнецов Лебедев Макаров Медведев Морозов
    Никитин Орлов Павлов Петров Поляков Романов Сафонов Семёнов Сидоров Соколов Соловьёв Тарасов Титов Фомин Шубин
    """
)
TITLES = [
    "Head of Operations",
    "Purchasing Manager",
    "IT Director",
    "Owner",
    "Project Manager",
    "Head of Sales",
    "CFO",
]
TITLES_RU = [
    "Директор по развитию",
    "Руководитель закупок",
    "ИТ-директор",
    "Владелец",
    "Руководитель проектов",
]
COMPANY_FIRST = _words(
    """
    Amber Alder Bright Cedar Cobalt Copper Delta Echo Falcon Granite Harbour Hazel Indigo Iron Juniper Lantern Maple
    Meadow North Oak Orchard Pioneer Quartz River Sable Silver Summit Tidal Velvet Willow
    """
)
COMPANY_SECOND = _words(
    """
    Logistics Foods Retail Systems Build Pharma Textiles Motors Energy Media Hotels Labs
    """
)
COMPANY_FORM = ["Ltd", "LLC", "GmbH", "Group", "Inc", "& Co"]
COMPANY_FIRST_RU = _words(
    """
    Вектор Горизонт Заря Кедр Луч Маяк Омега Парус Радуга Север Сокол Спектр Таймыр Уют Факел Эталон
    """
)
COMPANY_SECOND_RU = _words(
    """
    Логистика Торг Строй Фарм Текстиль Авто Энерго Медиа Сервис Пром
    """
)
INDUSTRIES = _words(
    """
    Retail Logistics Manufacturing Construction Pharmacy Hospitality Media Energy
    """
)
CITIES = _words(
    """
    Boston Chicago Denver Seattle Austin Portland Atlanta
    """
)
CITIES_RU = _words(
    """
    Казань Самара Москва Пермь Томск Тула
    """
)

NEEDS = [
    "Wants to replace spreadsheets before the season.",
    "Needs a price for 40 workplaces.",
    "Compares us with two other suppliers.",
    "Asked for a case from the same industry.",
    "Has a budget from next quarter, decides with the CFO.",
    "Нужна интеграция с учётной системой.",
    "Просит демонстрацию для отдела закупок.",
    "Хочет пилот на один филиал.",
]

_CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщыэюя"
_LATIN = dict(
    zip(_CYRILLIC, _words("a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh sch y e yu ya"), strict=True)
) | {"ь": "", "ъ": ""}


class Person(NamedTuple):
    name: str
    email: str
    phone: str
    job_title: str


class Firm(NamedTuple):
    name: str
    domain: str
    industry: str
    country: str
    city: str
    is_russian: bool


@functools.cache
def _latin(text: str) -> str:
    return "".join(_LATIN.get(c, c) for c in text.lower() if c.isalnum())


def a_firm(rng: random.Random, number: int) -> Firm:
    """The `number`-th invented company; every third is a Russian one."""
    industry = rng.choice(INDUSTRIES)
    if number % 3 == 0:
        name = f"ООО «{rng.choice(COMPANY_FIRST_RU)} {rng.choice(COMPANY_SECOND_RU)}»"
        return Firm(
            name,
            f"{_latin(name[5:-1])}{number}.example",
            industry,
            "RU",
            rng.choice(CITIES_RU),
            True,
        )
    first, second = rng.choice(COMPANY_FIRST), rng.choice(COMPANY_SECOND)
    name = f"{first} {second} {rng.choice(COMPANY_FORM)}"
    return Firm(
        name,
        f"{first}-{second}{number}.example".lower(),
        industry,
        "US",
        rng.choice(CITIES),
        False,
    )


def a_person(rng: random.Random, number: int, firm: Firm) -> Person:
    """The `number`-th invented person, who works at `firm`. Numbers give different e-mails and phones."""
    if firm.is_russian:
        woman = rng.random() < 0.5
        first, last = (
            rng.choice(WOMEN if woman else MEN),
            rng.choice(SURNAMES) + ("а" if woman else ""),
        )
        title = rng.choice(TITLES_RU)
        phone = f"+7000{number:07d}"  # no such area
    else:
        first, last, title = rng.choice(FIRST), rng.choice(LAST), rng.choice(TITLES)
        phone = f"+1{200 + number // 10_000 % 800}555{number % 10_000:04d}"  # 555 is the exchange of films
    email = f"{_latin(first)}.{_latin(last)}{number}@{firm.domain}"
    return Person(f"{first} {last}", email, phone, title)

"""What a booklet says around the exam's own words, by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scangrade.model import Convention


@dataclass(frozen=True, slots=True)
class Words:
    """Words of one language. Braces are filled in."""

    booklet: str
    page: str
    name: str
    number: str
    number_help: str
    label: str
    point: str
    points: str
    bonus: str
    one: str
    many: str
    credit: str  #: above the boxes that graders mark
    correction: tuple[str, str]
    free: str  #: on a page that has nothing to answer
    ruler: str
    seat: str
    marking: Mapping[Convention, str]  #: with [cross], [fill] and [empty] for small pictures


_EN: Final = Words(
    booklet="Booklet {copy}",
    page="Page {page} of {pages}",
    name="Surname, first name",
    number="Student number",
    number_help="Write your number, and mark each digit in the column below it.",
    label="Label",
    point="{points} point",
    points="{points} points",
    bonus="bonus",
    one="One answer is right.",
    many="Any number of answers can be right.",
    credit="For graders: points",
    correction=("1st", "2nd"),
    free="This page is free for notes. What is written here is not graded.",
    ruler="{length} mm: print at 100 %, not fitted to the page",
    seat="Seat {seat}",
    marking={
        Convention.ANY: "Mark a box with a cross [cross] or fill it [fill].",
        Convention.CROSS: "Mark a box with a cross [cross]. To take a cross back, fill the box completely [fill].",
        Convention.FILL: "Mark a box by filling it completely [fill].",
        Convention.FILL_WINS: "Mark a box by filling it completely [fill].",
    },
)
_NL: Final = Words(
    booklet="Exemplaar {copy}",
    page="Pagina {page} van {pages}",
    name="Achternaam, voornaam",
    number="Studentnummer",
    number_help="Schrijf je nummer op en kruis elk cijfer aan in de kolom eronder.",
    label="Etiket",
    point="{points} punt",
    points="{points} punten",
    bonus="bonus",
    one="Eén antwoord is juist.",
    many="Elk aantal antwoorden kan juist zijn.",
    credit="Voor de nakijker: punten",
    correction=("1e", "2e"),
    free="Deze pagina is vrij voor aantekeningen. Wat hier staat, wordt niet nagekeken.",
    ruler="{length} mm: afdrukken op 100 %, niet passend gemaakt",
    seat="Plaats {seat}",
    marking={
        Convention.ANY: "Zet een kruis in een vakje [cross] of maak het zwart [fill].",
        Convention.CROSS: "Zet een kruis in een vakje [cross]. Een kruis ongedaan maken: maak het vakje helemaal zwart [fill].",
        Convention.FILL: "Maak een vakje helemaal zwart [fill].",
        Convention.FILL_WINS: "Maak een vakje helemaal zwart [fill].",
    },
)
_DE: Final = Words(
    booklet="Heft {copy}",
    page="Seite {page} von {pages}",
    name="Name, Vorname",
    number="Matrikelnummer",
    number_help="Schreiben Sie Ihre Nummer, und kreuzen Sie jede Ziffer in der Spalte darunter an.",
    label="Aufkleber",
    point="{points} Punkt",
    points="{points} Punkte",
    bonus="Bonus",
    one="Eine Antwort ist richtig.",
    many="Beliebig viele Antworten können richtig sein.",
    credit="Für die Korrektur: Punkte",
    correction=("1.", "2."),
    free="Diese Seite ist frei für Notizen. Was hier steht, wird nicht bewertet.",
    ruler="{length} mm: mit 100 % drucken, nicht an die Seite angepasst",
    seat="Platz {seat}",
    marking={
        Convention.ANY: "Kreuzen Sie ein Kästchen an [cross] oder füllen Sie es [fill].",
        Convention.CROSS: "Kreuzen Sie ein Kästchen an [cross]. Um ein Kreuz zurückzunehmen, füllen Sie das Kästchen ganz [fill].",
        Convention.FILL: "Füllen Sie ein Kästchen ganz aus [fill].",
        Convention.FILL_WINS: "Füllen Sie ein Kästchen ganz aus [fill].",
    },
)
_FR: Final = Words(
    booklet="Exemplaire {copy}",
    page="Page {page} sur {pages}",
    name="Nom, prénom",
    number="Numéro d\u2019étudiant",
    number_help="Écrivez votre numéro, et cochez chaque chiffre dans la colonne en dessous.",
    label="Étiquette",
    point="{points} point",
    points="{points} points",
    bonus="bonus",
    one="Une seule réponse est juste.",
    many="Un nombre quelconque de réponses peut être juste.",
    credit="Pour la correction : points",
    correction=("1re", "2e"),
    free="Cette page est libre pour vos notes. Ce qui y est écrit n\u2019est pas noté.",
    ruler="{length} mm : imprimer à 100 %, sans ajuster à la page",
    seat="Place {seat}",
    marking={
        Convention.ANY: "Cochez une case [cross] ou noircissez-la [fill].",
        Convention.CROSS: "Cochez une case [cross]. Pour annuler une croix, noircissez entièrement la case [fill].",
        Convention.FILL: "Noircissez entièrement une case [fill].",
        Convention.FILL_WINS: "Noircissez entièrement une case [fill].",
    },
)
_PT: Final = Words(
    booklet="Exemplar {copy}",
    page="Página {page} de {pages}",
    name="Apelido, nome",
    number="Número de estudante",
    number_help="Escreva o seu número e marque cada algarismo na coluna por baixo.",
    label="Etiqueta",
    point="{points} ponto",
    points="{points} pontos",
    bonus="bónus",
    one="Uma resposta está certa.",
    many="Qualquer número de respostas pode estar certo.",
    credit="Para a correção: pontos",
    correction=("1.ª", "2.ª"),
    free="Esta página é livre para notas. O que aqui se escreve não é avaliado.",
    ruler="{length} mm: imprimir a 100 %, sem ajustar à página",
    seat="Lugar {seat}",
    marking={
        Convention.ANY: "Marque um quadrado com uma cruz [cross] ou preencha-o [fill].",
        Convention.CROSS: "Marque um quadrado com uma cruz [cross]. Para anular uma cruz, preencha todo o quadrado [fill].",
        Convention.FILL: "Preencha todo o quadrado [fill].",
        Convention.FILL_WINS: "Preencha todo o quadrado [fill].",
    },
)

WORDS: Final[Mapping[str, Words]] = {"en": _EN, "nl": _NL, "de": _DE, "fr": _FR, "pt": _PT}

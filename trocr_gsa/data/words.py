"""What is known of each language: its commonest words, names, months, forms of dates, quotation marks, long s."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """One language or spelling.

    Args:
        dictionary: file name of its word list; "" when there is none.
        common: its words, the most frequent first.
        weight: share among the languages, any positive number.
        long_s: probability in [0, 1] that a line is written with ſ.
        umlauts_above: whether old lines may write aͤ oͤ uͤ.
    """

    dictionary: str
    common: tuple[str, ...]
    names: tuple[str, ...]
    months: tuple[str, ...]
    dates: tuple[str, ...]
    abbreviations: tuple[str, ...]
    quotes: tuple[str, ...]
    weight: float = 1.0
    long_s: float = 0.0
    elisions: tuple[str, ...] = ()
    umlauts_above: bool = False


_GERMAN = tuple(
    "und der die in den zu das nicht von sie ist des sich mit dem er es ein ich auf so eine auch als an nach wie im für man aber aus durch wenn "
    "nur war noch werden bei hat wir was wird sein einen welche sind oder zur um haben einer mir über ihm diese einem ihr uns da zum kann doch vor "
    "dieser mich ihn hatte seine mehr am denn nun unter sehr selbst schon hier bis habe ihre dann ihnen seiner alle wieder meine Zeit gegen vom ganz "
    "einzelnen wo muß ohne eines können sei ja wurde jetzt immer seinen wohl dieses ihren würde diesen sondern weil welcher nichts diesem alles waren "
    "will Herr viel mein also soll worden lassen dies machen ihrer weiter Leben recht etwas keine seinem ob dir allen großen Jahre Weise müssen "
    "welches wäre erst einmal Mann hätte zwei dich allein Herren während Paragraph anders Liebe kaum ward Kind heraus Hand Geist Wasser Straße "
    "Haus Land Stadt Gott Welt Fürst Schloß Wissenschaft Geschichte Menschen König selbst Tages Nacht Augen Himmel Erde außerdem größer süß".split()
)
_FRENCH = tuple(
    "de la le et les des en un du une que est pour qui dans par plus pas au sur ne se ce il sont avec ou son Il aux ses mais comme on tout nous sa "
    "fait été aussi leur bien peut ces deux elle si même était encore dont entre cette y vous sans autres faire ont lui où après être avoir je me "
    "notre temps tous avait toujours grand fut mon point jour cela ils leurs très moins roi moi peu homme sous rien donc chose ainsi quelque vers "
    "jamais première contre monsieur maison toute main quand femme depuis père lettre trois jours nuit ville vie monde avant mort enfin autre pays "
    "alors petit année mois dit là ma votre étaient celui chez seul Dieu ami cœur œuvre âme forêt général français désir frère également eût fût "
    "parce dernier pendant coup terre guerre cependant nouveau sera mes ordre partie raison lieu beaucoup fois prince eau amour besoin".split()
)
_ENGLISH = tuple(
    "the of and to in a that is was he for it with as his on be at by I this had not are but from or have an they which one you were her all she "
    "there would their we him been has when who will more no if out so said what up its about into than them can only other new some could time these "
    "two may then do first any my now such like our over man me even most made after also did many before must through back years where much your way "
    "well down should because each just those people Mr how too little state good very make world still own see men work long get here between both "
    "life being under never day same another know while last might us great old year off come since against go came right used take three himself "
    "house use without place American around however home small found thought went say part once general high upon school every does letter".split()
)
_ITALIAN = tuple(
    "di e il che la in a per un del è non una i le si con da della come dei nel alla sono più al lo anche se ha gli ma delle su dal questo o suo "
    "quando era tutti ho ci nella due dopo essere prima stato molto mi sua tra tempo fare può cui anni quella così sempre perché sono fatto poi "
    "ancora casa giorno dove senza suoi parte uomo contro tutto altro quale nostra vita stata mai mano città terra grande signor oggi avere bene "
    "loro stesso bella notte amore nome onde però già virtù verità principe lettera mondo cosa acqua padre madre figlio sotto sopra molti dire".split()
)
_LATIN_STEMS = "amic reg domin vir puer agr lib terr popul sanct anim grati ann loc temp corp civitat virtut oper nomin ration leg voc fid spiritu".split()
_LATIN_ENDINGS = "us um i o am as orum arum is em es ibus a ae os e".split()
_LATIN = tuple(
    "et in est non ad ut cum quod qui de ex sed si quae per esse ab hoc sunt enim aut atque autem eius nec quam pro etiam ac te me se quid nunc tamen "
    "ita vel sicut deus dominus omnia omnes inter ipse ante post sine super anno rex domini deo gratia quoque igitur nisi tam haec illa ergo semper "
    "nihil pater filius spiritus sanctus terra caelum quia tibi nobis vobis fuit erat dicit item".split()
) + tuple(stem + ending for stem in _LATIN_STEMS for ending in _LATIN_ENDINGS)

_GERMAN_KIND = {
    "common": _GERMAN,
    "names": tuple("Johann Anna Müller Friedrich Wilhelm Schäfer Goethe Leipzig Wien Berlin Nürnberg Elisabeth Heinrich Köln Jäger Weiß Karl Straßburg".split()),
    "months": tuple("Januar Februar März April Mai Juni Juli August September Oktober November Dezember Jänner Octobris".split()),
    "dates": ("den {day}. {month} {year}", "am {day}. {month}", "{day}. {month} {year}.", "im {month} {year}", "{day}/{year}"),
    "abbreviations": ("Bd.", "S.", "u. s. w.", "Hr.", "Dr.", "Fr.", "St.", "Kap.", "Thlr.", "fl.", "kr.", "etc.", "z. B.", "u. ſ. w.", "d. h.", "Nr.", "vgl."),
    "quotes": ("„“", "»«", "„”", "\"\""),
    "umlauts_above": True,
}  # fmt: skip
_FRENCH_KIND = {
    "common": _FRENCH,
    "names": tuple("Jean Marie Pierre Louis François Dupont Lefèvre Paris Lyon Rouen Élisabeth Bertrand Hélène Voltaire Orléans Étienne Joséphine Algérie".split()),
    "months": tuple("janvier février mars avril mai juin juillet août septembre octobre novembre décembre Apvril thermidor".split()),
    "dates": ("le {day} {month} {year}", "ce {day} {month}", "{day} {month} {year}.", "en {month} {year}", "ce {day}e {month} {year}", "{day} - {year}"),
    "abbreviations": ("M.", "Mme", "Mr", "St.", "n°", "etc.", "1er", "Sr", "&", "vol.", "p.", "chap.", "fr.", "S. M.", "2e"),
    "quotes": ("«»", "“”", "\"\""),
    "elisions": ("l", "d", "qu", "s", "n", "c", "j", "m", "L", "D", "C", "J"),
}  # fmt: skip

LANGUAGES: dict[str, Language] = {
    "german": Language(dictionary="ngerman", weight=1.4, long_s=0.25, **_GERMAN_KIND),
    "german-old": Language(dictionary="ogerman", weight=2.2, long_s=0.85, **_GERMAN_KIND),
    "french": Language(dictionary="french", weight=2.6, long_s=0.12, **_FRENCH_KIND),
    "english": Language(
        dictionary="american-english",
        common=_ENGLISH,
        names=tuple("John Mary William Elizabeth Smith Thomas London Oxford James Boston York Charles Wright".split()),
        months=tuple("January February March April May June July August September October November December".split()),
        dates=("{month} {day}, {year}", "the {day}th of {month} {year}", "{day} {month} {year}", "{month} {year}."),
        abbreviations=("Mr.", "Mrs.", "Dr.", "St.", "No.", "vol.", "p.", "&", "&c.", "Esq.", "viz.", "i.e."),
        quotes=("“”", "‘’", '""', "''"),
        weight=1.2,
        long_s=0.15,
    ),
    "italian": Language(
        dictionary="italian",
        common=_ITALIAN,
        names=tuple("Giovanni Maria Francesco Lucia Roma Firenze Venezia Rossi Angelo Niccolò Torino".split()),
        months=tuple(
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre".split()
        ),
        dates=("{day} {month} {year}", "li {day} {month}", "il {day} di {month} {year}"),
        abbreviations=("Sig.", "S.", "n.", "cap.", "ecc.", "p.", "V. S."),
        quotes=("«»", "“”"),
        weight=0.7,
        long_s=0.15,
        elisions=("l", "d", "un", "dell", "all", "L"),
    ),
    "latin": Language(
        dictionary="",
        common=_LATIN,
        names=tuple("Carolus Maria Augustus Roma Cicero Paulus Iohannes Tullius".split()),
        months=tuple(
            "Ianuarii Februarii Martii Aprilis Maii Iunii Iulii Augusti Septembris Octobris Novembris Decembris".split()
        ),
        dates=("die {day} {month} {year}", "Anno {year}", "anno domini {year}"),
        abbreviations=("S.", "D.", "Lib.", "cap.", "&", "etc.", "fol."),
        quotes=("“”", "«»"),
        weight=0.6,
        long_s=0.35,
    ),
}

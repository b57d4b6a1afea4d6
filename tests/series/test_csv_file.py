import pytest

from tsae.errors import DataError
from tsae.series.cells import cell_kind, split_units
from tsae.series.formats.csv_file import sniff
from tsae.series.options import ReadOptions


def sniffed(text: str, **options):
    return sniff(text.encode(), complete=True, options=ReadOptions(**options))


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("1.5", "number"),
        ("-1,5e3", "number"),
        (" .5 ", "number"),
        ("+inf", "number"),
        ("", "missing"),
        ("#N/A", "missing"),
        ("None", "missing"),
        ("-", "missing"),
        ("Bad", "text"),
        ("I/O Timeout", "text"),
        ("1.234,5", "text"),
        ("Yes", "word"),
        ("2026-11-24", "time"),
        ("2026-11-24T10:00:00.5+01:00", "time"),
        ("20261124T100000Z", "time"),
        ("24.11.2026 10:00", "time"),
        ("11/24/26, 10:00 PM", "time"),
        ("24-Nov-2026 10:00:00", "time"),
        ("10:00", "time"),
        ("2026-11-24 10:00;1,5", "text"),
        ("2026-11-24,1", "text"),
    ],
)
def test_kinds_of_cells(cell, kind):
    assert cell_kind(cell) == kind


@pytest.mark.parametrize(
    ("text", "separator", "decimal"),
    [
        ("a,b\n1.5,2\n", ",", "."),
        ("a;b\n1,5;2,5\n", ";", ","),
        ("a\tb\n1,5\t2\n", "\t", ","),
        ("a|b\n1.5|2\n", "|", "."),
        ("1,5;2,5\n3,5;4,5\n", ";", ","),
        ('a,b\n"1,5","2,5"\n', ",", ","),
        ("value\n1,5\n2,5\n", ";", ","),
        ("t;a\n2026-11-24 10:00;1\n", ";", "."),
        ("t,a\n2026-11-24 10:00:00,1\n", ",", "."),
        ("t,state,a\n2026-11-24,RUN,1\n2026-11-25,a;b,1\n", ",", "."),
        ('"a;1","b"\n1,2\n', ",", "."),
        ("a;b\n1.5;2\n2.5;1\n3,5;1\n", ";", "."),
    ],
)
def test_separator_and_decimal_sign(text, separator, decimal):
    dialect = sniffed(text)
    assert (dialect.separator, dialect.decimal) == (separator, decimal)


def test_what_is_stated_is_not_sniffed():
    dialect = sniffed('a,b\n"1,5",2\n', separator=",", decimal=".", header=False)
    assert (dialect.separator, dialect.decimal, dialect.headers) == (",", ".", ("", ""))
    assert sniffed("a;b\n1;2\n", separator=",").headers == ("a;b",)
    assert sniffed("1,2\n3,4\n", header=True).headers == ("1", "2")
    assert sniffed("a,b\nm,s\n1,2\n", units_row=False).units == ()
    assert sniffed("a,b\n1,2\n3,4\n", units_row=True).units == ("1", "2")


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("time,a\n2026-11-24,1\n", ("time", "a")),
        ("2026-11-24,1\n2026-11-25,2\n", ("", "")),
        ("2026-11-24,Bad\n2026-11-25,2\n2026-11-26,2\n", ("", "")),
        ("1,2\n3,4\n", ("", "")),
        ("time,1,2\n2026-11-24,3,4\n", ("time", "1", "2")),
        ("a,b\nx,y\n", ("a", "b")),
        ("NA,1\n2,3\n", ("", "")),
        ("1,2\n", ("", "")),
    ],
)
def test_header_or_none(text, headers):
    assert sniffed(text).headers == headers


@pytest.mark.parametrize("above", ["", "\n\n", "sep=;\n", "# logger 17\n", "Station North\n\n# 3 sensors\n"])
def test_the_data_start_where_the_header_ends(above):
    content = f"{above}time;a\n24.11.2026;1,5\n25.11.2026;2,5\n".encode()
    dialect = sniff(content, complete=True, options=ReadOptions())
    assert dialect.headers == ("time", "a")
    assert content[dialect.bytes_before :].startswith(b"24.11.2026;")
    assert content[: dialect.bytes_before].count(b"\n") == dialect.lines_before


def test_a_mark_of_utf_8_is_not_part_of_the_first_name():
    content = b"\xef\xbb\xbfa,b\r\n1,2\r\n"
    dialect = sniff(content, complete=True, options=ReadOptions())
    assert dialect.headers == ("a", "b")
    assert content[dialect.bytes_before :] == b"1,2\r\n"


def test_old_windows_text_is_recognised():
    dialect = sniff("T [°C];b\n1;2\n".encode("cp1252"), complete=True, options=ReadOptions())
    assert (dialect.encoding, dialect.headers) == ("cp1252", ("T [°C]", "b"))


def test_a_line_that_is_cut_at_the_end_of_the_head_is_not_looked_at():
    dialect = sniff(b"a,b\n1,2\n3", complete=False, options=ReadOptions())
    assert dialect.sample == (("1", "2"),)


@pytest.mark.parametrize(
    ("units_line", "units"),
    [
        (",bar,[°C]", ("", "bar", "[°C]")),
        ("UTC,bar,-", ("UTC", "bar", "-")),
        ("2026-11-23,Bad,Bad", ()),
        (",,", ()),
        ("x,1,bar", ()),
    ],
)
def test_a_units_row_has_text_where_all_other_rows_have_numbers(units_line, units):
    dialect = sniffed(f"time,p,T\n{units_line}\n2026-11-24,1,2\n2026-11-25,1,2\n")
    assert dialect.units == units


def test_a_separator_at_the_end_of_lines_is_forgiven():
    assert sniffed("a;b;\n1;2;\n").headers == ("a", "b", "")
    assert sniffed("a;b\n1;2;\n3;4;\n").headers == ("a", "b", "")
    assert sniffed("a;b;\n1;2\n3;4\n").headers == ("a", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n\t\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"time,a,b\n", "a header but no rows"),
        (b"time,a\n,m\n", "a header but no rows|no number"),
        (b"a,b,c\n1,2\n3,4\n", r"line 1 has 3 cells, but most rows have 2"),
        (b"PK\x03\x04....", "an Excel workbook, which is not read; save the table as CSV"),
        (b"\xff\xfea\x00,\x00", "UTF-16 text, which is not read"),
        (b"a,b\n1\x00,2\n", "a binary file, which is not read"),
    ],
)
def test_what_is_no_table_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        sniff(content, complete=True, options=ReadOptions(units_row=True if b",m" in content else None))


def test_the_wrong_encoding_is_refused():
    with pytest.raises(DataError, match="not text in the encoding ascii; state its `encoding`"):
        sniff("a,°\n1,2\n".encode(), complete=True, options=ReadOptions(encoding="ascii"))


@pytest.mark.parametrize(
    ("headers", "names", "units"),
    [
        (["p [bar]", "T (°C)", "n[1/min]"], ["p", "T", "n"], {0: "bar", 1: "°C", 2: "1/min"}),
        (["flow (m³/h)", "a (mm/s^2)", "E (kWh)"], ["flow", "a", "E"], {0: "m³/h", 1: "mm/s^2", 2: "kWh"}),
        (["pump (inlet)", "x (2)", "y [-]", "z []"], ["pump (inlet)", "x (2)", "y", "z"], {}),
        (["T [C]", "T [F]"], ["T [C]", "T [F]"], {0: "C", 1: "F"}),
        (["pump (A)", "pump (V)"], ["pump (A)", "pump (V)"], {}),
        (["p\n[bar]", "  a   b "], ["p", "a b"], {0: "bar"}),
        (["T [C]", "T [F]", "T [C] [x]"], ["T [C]", "T [F]", "T [C] [x]"], {0: "C", 1: "F", 2: "x"}),
    ],
)
def test_units_in_headers(headers, names, units):
    assert split_units(headers) == (names, units)

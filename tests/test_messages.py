"""Every visible string is there in Chinese, and what is not is named."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import polib
import pytest
from django.utils import translation

ROOT = Path(__file__).resolve().parent.parent
PLURAL = (
    "{% blocktranslate count n=n %}{{ n }} customer"
    "{% plural %}{{ n }} customers{% endblocktranslate %}"
)
TEMPLATE = f"""{{% load i18n %}}
<h1>{{% translate "Recommended for you" %}}</h1>
{PLURAL}
<input title="{{{{ _('Search') }}}}">{{% translate "May" context "month" %}}
{{% blocktranslate trimmed with name=shop.name %}}
  Welcome to {{{{ name }}}}
{{% endblocktranslate %}}<p>gettext("not a string of ours")</p>
"""
CODE = """
from django.utils.translation import gettext_lazy as _, ngettext
label = _("Interest "
          "segment")
def f(n): return ngettext("%(n)s ad", "%(n)s ads", n) % {"n": n}
"""


@pytest.fixture(scope="module")
def messages():
    spec = importlib.util.spec_from_file_location(
        "ci_messages", ROOT / ".ci/messages.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shop(tmp_path, messages):
    """A small project whose strings are collected and not yet translated."""
    page = tmp_path / "segmentation" / "templates" / "page.html"
    page.parent.mkdir(parents=True)
    page.write_text(TEMPLATE)
    (tmp_path / "segmentation" / "labels.py").write_text(CODE)
    for name in ("campaigns", "recsys_project", "templates"):
        (tmp_path / name).mkdir()
    messages.update(tmp_path)
    return tmp_path


def translate(messages, root, **texts):
    """Fill in the catalogue as a translator does, and compile it."""
    path = messages.po_path(root, "segmentation")
    catalogue = polib.pofile(str(path))
    for entry in catalogue:
        text = texts.get(entry.msgid, f"译文 {entry.msgid_plural or entry.msgid}")
        if entry.msgid_plural:
            entry.msgstr_plural = {0: text}
        else:
            entry.msgstr = text
    catalogue.save()
    messages.update(root)


def test_every_visible_string_is_translated(messages):
    assert messages.problems(ROOT) == []


def test_django_finds_the_translations_of_both_apps_and_the_project(messages):
    for name in messages.FOLDERS:
        path = messages.po_path(ROOT, name)
        assert path.exists()
        catalogue = polib.pofile(str(path))
        entry = next(e for e in catalogue if not e.msgid_plural and not e.msgctxt)
        with translation.override("zh-hans"):
            assert translation.gettext(entry.msgid) != entry.msgid


def test_strings_are_found_in_code_and_templates(messages, shop):
    catalogue = polib.pofile(str(messages.po_path(shop, "segmentation")))
    assert {(e.msgctxt, e.msgid, e.msgid_plural) for e in catalogue} == {
        (None, "Recommended for you", ""),
        (None, "%(n)s customer", "%(n)s customers"),
        (None, "Search", ""),
        ("month", "May", ""),
        (None, "Welcome to %(name)s", ""),
        (None, "Interest segment", ""),
        (None, "%(n)s ad", "%(n)s ads"),
    }


def test_untranslated_strings_are_named(messages, shop):
    found = messages.problems(shop)
    assert "segmentation: 'Search' is not translated" in found
    assert len(found) == 7


def test_a_filled_in_catalogue_passes_and_survives_an_update(messages, shop):
    translate(messages, shop)
    assert messages.problems(shop) == []
    messages.update(shop)
    assert messages.problems(shop) == []


def test_other_placeholders_are_named(messages, shop):
    translate(messages, shop, **{"Welcome to %(name)s": "欢迎光临 %(shop)s"})
    (sentence,) = messages.problems(shop)
    assert "Welcome to" in sentence
    assert "placeholders" in sentence


def test_a_fuzzy_translation_is_named(messages, shop):
    translate(messages, shop)
    path = messages.po_path(shop, "segmentation")
    catalogue = polib.pofile(str(path))
    catalogue.find("Search").flags.append("fuzzy")
    catalogue.save()
    messages.update(shop)
    assert messages.problems(shop) == ["segmentation: 'Search' is fuzzy"]


def test_a_string_added_to_the_code_is_named(messages, shop):
    translate(messages, shop)
    (shop / "segmentation" / "more.py").write_text('x = _("Brand new")')
    assert messages.problems(shop) == ["segmentation: 'Brand new' is missing"]


def test_a_stale_mo_file_is_named(messages, shop):
    translate(messages, shop)
    binary = messages.po_path(shop, "segmentation").with_suffix(".mo")
    binary.write_bytes(polib.MOFile().to_binary())
    (sentence,) = messages.problems(shop)
    assert "django.mo" in sentence


def test_a_missing_catalogue_is_named(messages, shop):
    shutil.rmtree(shop / "campaigns" / "locale")
    assert "campaigns: django.po is missing" in messages.problems(shop)

"""What the project itself adds to the admin: accounts with roles, empty lists."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from segmentation.models import AuditEntry

pytestmark = pytest.mark.django_db

ADD = "admin:auth_user_add"
PASSWORD = "a long walk by the sea"


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


def make(client: Client, name: str):
    typed = {"username": name, "usable_password": "true"}
    passwords = {"password1": PASSWORD, "password2": PASSWORD}
    return client.post(reverse(ADD), typed | passwords, follow=True)


def test_a_new_operator_logs_in_with_the_role_they_were_given(boss):
    asked = boss.get(reverse(ADD)).content.decode()
    assert 'name="username"' in asked and 'name="password1"' in asked
    made = make(boss, "mia").content.decode()
    assert 'name="groups"' in made
    mia = User.objects.get(username="mia")
    mia.groups.set(Group.objects.filter(name="Viewer"))
    client = Client()
    assert client.login(username="mia", password=PASSWORD)
    assert client.get(reverse("home")).status_code == 200


def test_the_audit_trail_names_a_new_operator_and_no_password(boss):
    make(boss, "mia")
    entry = AuditEntry.objects.get(action="add", subject="mia")
    assert entry.actor_name == "boss"
    assert PASSWORD not in str(entry.changes)


def test_an_empty_list_says_so_and_offers_only_what_can_be_done(boss):
    facts = boss.get(reverse("admin:segmentation_servedlist_changelist"))
    assert "There are no served lists yet." in facts.content.decode()
    assert "Add served list" not in facts.content.decode()
    written = boss.get(reverse("admin:segmentation_mapping_changelist"))
    assert "Add mapping" in written.content.decode()
    assert "on the page of columns" in written.content.decode()  # what to do instead
    imports = boss.get(reverse("admin:segmentation_importjob_changelist"))
    assert imports.content.decode().count("Bring a file in") == 2
    sought = boss.get(reverse("admin:segmentation_mapping_changelist"), {"q": "x"})
    assert "Nothing fits the search and the filters." in sought.content.decode()


def test_roles_are_called_what_they_are_in_the_language_of_the_reader(boss):
    make(boss, "mia")
    here = {"Accept-Language": "zh-hans"}
    mia = User.objects.get(username="mia")
    mia.groups.set(Group.objects.filter(name="Viewer"))
    users = reverse("admin:auth_user_changelist")
    her = reverse("admin:auth_user_change", args=[mia.pk])
    for address in (users, her, reverse("admin:auth_group_changelist")):
        shown = boss.get(address, headers=here).content.decode()
        assert "查看者" in shown, address
    asked = {"groups__id__exact": Group.objects.get(name="Viewer").pk}
    assert "mia" in boss.get(users, asked, headers=here).content.decode()

"""Operators and their roles, in the same look and the same audit trail as the rest."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.forms import CheckboxSelectMultiple, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from segmentation.admin.base import StrataAdmin
from segmentation.services import audit, roles

admin.site.unregister((User, Group))


class RolesField(ModelMultipleChoiceField):
    """Roles to tick, by their names in the reader's language."""

    def label_from_instance(self, obj: Group) -> str:
        return roles.label(obj.name)


class RoleFilter(admin.RelatedFieldListFilter):
    def field_choices(self, *args: Any) -> list[Any]:
        found = super().field_choices(*args)
        return [(key, roles.label(name)) for key, name in found]


@admin.register(User)
class OperatorAdmin(UserAdmin, StrataAdmin):  # or Unfold's empty form wins
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "in_roles", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", ("groups", RoleFilter))
    filter_horizontal = ()

    def formfield_for_manytomany(
        self, db_field: Any, request: Any, **kwargs: Any
    ) -> Any:
        if db_field.name == "groups":
            kwargs["widget"] = CheckboxSelectMultiple(attrs={"class": "st-box"})
            kwargs["form_class"] = RolesField
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        """Accounts are for operators: a new one may log in, its roles say for what."""
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    @admin.display(description=_("roles"))
    def in_roles(self, user: User) -> str:
        return ", ".join(roles.label(group.name) for group in user.groups.all()) or "–"

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            user = User.objects.get(pk=id)
            changes = {"password": ["•••", "•••"]}
            audit.record(request.user, "change password", user, changes)
        return answer


@admin.register(Group)
class RoleAdmin(StrataAdmin, GroupAdmin):
    list_display = ("called",)
    filter_horizontal = ()

    @admin.display(description=_("name"), ordering="name")
    def called(self, role: Group) -> str:
        return roles.label(role.name)

import django.db.models.deletion
from django.db import migrations, models


def fill(apps, schema_editor):
    """Who everybody is after all merges that stand; one step of the chains a round."""
    if schema_editor.connection.vendor == "postgresql":
        # Else the checks of the new key wait, and the column cannot be closed.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    merge = apps.get_model("segmentation", "Merge")
    onward = merge.objects.filter(merged=models.OuterRef("home"), undone_at=None)
    merge.objects.update(home=models.F("kept"))
    rows = merge.objects.filter(models.Exists(onward), undone_at=None)
    while rows.update(home=models.Subquery(onward.values("kept")[:1])):
        pass


class Migration(migrations.Migration):
    dependencies = [
        ("segmentation", "0004_data_in"),
    ]

    operations = [
        migrations.AddField(
            model_name="merge",
            name="home",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="parts",
                to="segmentation.customer",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="merge",
            name="home",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="parts",
                to="segmentation.customer",
            ),
        ),
    ]

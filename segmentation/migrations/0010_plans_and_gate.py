import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('segmentation', '0008_refused_in'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='modelrun',
            options={'permissions': [('overrule_gate', 'Can overrule the gate of a model')], 'verbose_name': 'model run', 'verbose_name_plural': 'model runs'},
        ),
        migrations.AddField(
            model_name='trainingplan',
            name='counts_from',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='counts from'),
        ),
    ]

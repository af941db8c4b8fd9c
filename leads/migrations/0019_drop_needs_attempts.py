from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("leads", "0018_what_reasons_ask_for")]

    operations = [migrations.RemoveField(model_name="reason", name="needs_attempts")]

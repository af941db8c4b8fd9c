# Short names for what README.md describes.
.PHONY: run test check format messages lock
run:
	python3 run.py
test:
	python3 run.py test
check:
	bash .ci/run
format:
	python3 run.py exec sh -c 'ruff check --fix . && ruff format .'
# After changing texts: extract, translate locale/*/LC_MESSAGES/django.po by hand, then again to compile.
messages:
	python3 run.py exec sh -c 'python manage.py makemessages --all && python manage.py compilemessages'
lock:
	for name in requirements requirements-embedded requirements-dev; do \
		uv pip compile --universal --python-version 3.11 --generate-hashes --output-file $$name.txt $$name.in; done

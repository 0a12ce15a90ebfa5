"""A Django application that serves several hosts."""

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import path

import record

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    USE_X_FORWARDED_HOST=True,
    USE_X_FORWARDED_PORT=True,
)
django.setup()


def whoami(request):
    host = request.get_host()
    headers = {name.lower(): value for name, value in request.headers.items()}
    # The site that a request is for, as multi-tenant applications find it.
    record.ran("admin" if host.lower().startswith("admin.") else "tools", headers, host=host)
    return JsonResponse({"host": host})


urlpatterns = [path("v1/whoami", whoami)]
app = WSGIHandler()

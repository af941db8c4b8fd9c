from rest_framework.response import Response
from rest_framework.views import APIView


class MetricsView(APIView):
    scope = "metrics"

    def get(self, request):
        return Response([])

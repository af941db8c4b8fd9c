"""What may be sent as a file: nothing by somebody who isn't signed in, so that no stranger can fill the disk."""

from django.core.files.uploadhandler import FileUploadHandler, StopUpload


class StrangersSendNoFiles(FileUploadHandler):
    """The first of the handlers: reading ends where a stranger's first file begins."""

    def new_file(self, *args: object, **kwargs: object) -> None:
        user = getattr(self.request, "user", None)
        if user is None or not user.is_authenticated:
            raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None

import record

bind = "127.0.0.1:0"
worker_class = "gthread"
threads = 4
control_socket_disable = True


def when_ready(server):
    record.listening(server.LISTENERS[0].sock.getsockname()[1])

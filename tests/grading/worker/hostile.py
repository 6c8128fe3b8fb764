"""A submission that tries everything: read by the tests as text, never imported here.

Every function returns a text that says what it got, or raises what stopped it.
"""

import typing

import numpy as np

# The friendly list of imports is no boundary, and this is one of the ways around it.
modules = typing.sys.modules
os = modules["os"]
sys = modules["sys"]
io = modules["io"]
ctypes = modules["ctypes"]


def load(name):
    return modules["importlib"].import_module(name)


def libc():
    return ctypes.pythonapi


def raw(number, *arguments):
    """Make a system call without Python's or the library's help."""
    ctypes.set_errno(0)
    code = ctypes.PyDLL(None, use_errno=True)
    result = code.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return f"system call {number} gave {result}"


# Files -----------------------------------------------------------------------------------------------


def read(path):
    return open(path).read()[:100]


def read_raw(path):
    return str(os.open(path, os.O_RDONLY))


def load_array(path):
    return str(np.load(path))


def look(path):
    return str(os.stat(path).st_size)


def look_raw(path):
    """stat() by number, with the flag that is meant for descriptors."""
    buffer = ctypes.create_string_buffer(256)
    name = ctypes.create_string_buffer(path.encode())
    return raw(262, -100, ctypes.addressof(name), ctypes.addressof(buffer), 0x1000)


def may_access(path):
    if not os.access(path, os.F_OK):
        raise PermissionError("not told")
    return "it is there"


def list_folder(path):
    return str(os.listdir(path))


def read_link(path):
    return os.readlink("/proc/self/exe")


def write(path):
    with open(path + ".new", "w") as stream:
        stream.write("x")
    return "written"


def append(path):
    os.open(path, os.O_WRONLY | os.O_APPEND)
    return "opened"


def touch(path):
    os.utime(path, (0, 0))
    return "touched"


def remove(path):
    os.unlink(path)
    return "removed"


def rename(path):
    os.rename(path, path + ".old")
    return "renamed"


def change_mode(path):
    os.chmod(path, 0o777)
    return "changed"


def make_folder(path):
    os.mkdir(path + ".d")
    return "made"


def make_link(path):
    os.symlink("/etc", path + ".l")
    return "made"


def go_there(path):
    os.chdir("/tmp")
    return "gone"


def cut(path):
    os.truncate(path, 0)
    return "cut"


# Processes -------------------------------------------------------------------------------------------


def fork():
    if os.fork() == 0:
        os._exit(0)
    return "forked"


def fork_raw():
    if libc().fork() == -1:
        raise PermissionError("refused")
    return "forked"


def run_shell():
    if os.system("true") != 0:
        raise PermissionError("refused")
    return "ran"


def run_program():
    load("subprocess").run(["/bin/true"], check=True)
    return "ran"


def become_program():
    os.execv("/bin/true", ["true"])


def spawn():
    return str(os.posix_spawn("/bin/true", ["true"], {}))


def thread():
    import_thread = load("threading").Thread(target=len)
    import_thread.start()
    return "started"


def kill_parent():
    os.kill(os.getppid(), 9)
    return "killed"


def kill_group():
    os.killpg(0, 9)
    return "killed"


def kill_all():
    os.kill(-1, 9)
    return "killed"


def trace_parent():
    return raw(101, 16, os.getppid(), 0, 0)


def parents_memory():
    return str(open(f"/proc/{os.getppid()}/mem", "rb").read(1))


def parents_arguments():
    return open(f"/proc/{os.getppid()}/cmdline").read()


def read_parents_memory():
    return raw(310, os.getppid(), 0, 0, 0, 0, 0)


def slow_the_others():
    os.sched_setaffinity(os.getppid(), {0})
    return "done"


def niceness():
    os.setpriority(0, os.getppid(), 19)
    return "done"


# The network -----------------------------------------------------------------------------------------


def network():
    socket = load("socket")
    socket.socket(socket.AF_INET).connect(("127.0.0.1", 1))
    return "connected"


def local_socket():
    socket = load("socket")
    return str(socket.socket(socket.AF_UNIX))


def socket_pair():
    return str(load("socket").socketpair())


def netlink():
    return raw(41, 16, 3, 0)


# Limits and privileges -------------------------------------------------------------------------------


def raise_limits():
    resource = load("resource")
    infinite = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_AS, (infinite, infinite))
    return "raised"


def raise_parents_limits():
    resource = load("resource")
    resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))
    return "set"


def become_root():
    os.setuid(0)
    return "root"


def become_nobody():
    os.setuid(65534)
    return "nobody"


def new_namespace():
    return raw(272, 0x10000000)


def memory_file():
    return str(os.memfd_create("x"))


def run_code():
    return raw(9, 0, 4096, 7, 0x22, -1, 0)  # mmap, for reading, writing and running


def shared_memory():
    return raw(29, 0, 4096, 0o1600)


def message_queue():
    return raw(240, 0, 0, 0, 0)


def alarm():
    load("signal").setitimer(0, 1)
    return "set"


def uring():
    return raw(425, 8, 0)


def handle():
    return raw(304, -100, 0, 0)


def dump_on():
    return raw(157, 4, 1, 0, 0, 0)


def filter_again():
    return raw(157, 22, 2, 0, 0, 0)


# Other packages --------------------------------------------------------------------------------------


def other_package(name):
    sys.path.insert(0, os.path.dirname(os.path.dirname(np.__file__)))
    return str(load(name))


def other_package_by_path(path):
    loader = load("importlib.machinery").SourceFileLoader("stolen", path)
    return str(loader.load_module())


# Ends ------------------------------------------------------------------------------------------------


def leave():
    os._exit(0)


def leave_masked():
    load("atexit").register(os._exit, 0)
    raise SystemExit(0)


def crash():
    ctypes.string_at(0)


def recurse(depth):
    sys.setrecursionlimit(10**9)
    return list(map(recurse, [depth + 1]))  # through C, so that the stack is used


def abort():
    os.abort()


def other_architecture():
    return raw(0x40000000 | 39)


def loop():
    while True:
        pass


def loop_ignoring_signals():
    signal = load("signal")
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    while True:
        try:
            loop()
        except BaseException:
            continue


def loop_in_c():
    return pow(7, 10**9)


def sleep(seconds=3600):
    modules["time"].sleep(seconds)


def wait_for_nothing():
    modules["_thread"].allocate_lock().acquire()
    lock = modules["_thread"].allocate_lock()
    lock.acquire()
    lock.acquire()


def eat(kind):
    if kind == "list":
        return str(len([0] * 2**33))
    if kind == "zeros":
        return str(np.zeros(2**33).size)
    if kind == "slowly":
        kept = []
        while True:
            kept.append(np.ones(2**21))
    return str(len("x" * 2**34))


# The protocol ----------------------------------------------------------------------------------------


def flood():
    for _ in range(3000):
        print("x" * 1000)
    return "done"


def escape():
    print("\x1b[31mred\x07\x00 \x9b \u202e end")
    os.write(2, b"\xff\xfe raw")
    return "done"


def close_all():
    os.closerange(0, 64)
    return "closed"


def close_output():
    os.close(1)
    os.close(2)
    return "closed"


def write_noise():
    os.write(4, b"\xff" * 1000)
    return "done"


def write_frame(header):
    """Put a whole frame before the true answer."""
    text = header.encode()
    os.write(4, len(text).to_bytes(4, "little") + bytes(4) + text)
    return "true"


def write_many_frames():
    for _ in range(1000):
        write_frame('{"id":1,"nonce":"x","value":1,"arrays":[]}')
    return "done"


def answer_oneself():
    """Find the number and the nonce of this call in the frames above, and answer in place of the worker."""
    frame = sys._getframe()
    while frame is not None and "request" not in frame.f_locals:
        frame = frame.f_back
    while frame is not None and "nonce" not in frame.f_locals.get("request", {}):
        frame = frame.f_back
    request = frame.f_locals["request"]
    write_frame(
        modules["json"].dumps({"id": request["id"], "nonce": request["nonce"], "value": 42, "arrays": []})
    )
    return "not this"


def answer_and_stop():
    answer_oneself()
    sleep()


def take(x):
    return x.nbytes


def promise(header_bytes, body_bytes):
    """Announce a frame and send nothing."""
    os.write(4, header_bytes.to_bytes(4, "little") + body_bytes.to_bytes(4, "little"))
    sleep()


def read_requests():
    """Take the grader's next requests away."""
    load("fcntl").fcntl(3, 4, 2048)
    return str(os.read(3, 100))


def break_everything():
    """Make the worker's own tools lie."""
    json = modules["json"]
    json.dumps = lambda *a, **k: '{"value": true}'
    np.array = np.asarray = np.ndarray.copy = None
    modules["builtins"].len = lambda *_: 0
    return "done"


# Answers that lie ------------------------------------------------------------------------------------


class Yes(np.ndarray):
    def __eq__(self, other):
        return np.ones(self.shape, bool)

    def __array_function__(self, *_, **__):
        return True

    def __array_ufunc__(self, *_, **__):
        return True


class Equal:
    def __eq__(self, other):
        return True

    def __array__(self, *_, **__):
        return np.ones(3)


class Float(float):
    def __eq__(self, other):
        return True


def lie(kind):
    return {"array": lambda: np.zeros(3).view(Yes), "object": Equal, "float": lambda: Float(3.0)}[kind]()


# What can be found -----------------------------------------------------------------------------------


def search(start, end):
    """Look for a text, given in two parts, in the frames above, in all objects, and in the environment."""
    found = [str(dict(os.environ)), str(sys.argv), str(sys.path), os.getcwd()]
    frame = sys._getframe().f_back
    while frame is not None:
        found += [frame.f_code.co_filename, repr(frame.f_locals)]
        frame = frame.f_back
    found += [
        repr(thing)[:10000] for thing in modules["gc"].get_objects() if type(thing) in (dict, list, tuple)
    ]
    return [where[:200] for where in found if start + end in where]


def names_of_modules():
    return sorted({name.partition(".")[0] for name in modules})


def descriptors():
    found = []
    for number in range(64):
        try:
            os.get_inheritable(number)
        except OSError:
            continue
        found.append(number)
    return found


def environment():
    return dict(os.environ)

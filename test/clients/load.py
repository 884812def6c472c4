# The clients of Python: see README.md.  TITLE is the section of docs/clients.md.
import itertools
import os
import re
import subprocess
import threading

TITLE = os.environ["TITLE"]
here = os.path.dirname(os.path.abspath(__file__))
document = open(os.path.join(here, "../../docs/clients.md")).read()
block = re.search(r"^```python\n(.*?)^```", document.split(f"## {TITLE}\n")[1], re.M | re.S).group(1)

if TITLE == "Django":
    from urllib.parse import urlsplit
    import django
    from django.conf import settings
    url = urlsplit(os.environ["DATABASE_URL"])
    settings.configure(USE_TZ=True, DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "HOST": url.hostname, "PORT": url.port, "USER": url.username,
        "NAME": url.path[1:], "DISABLE_SERVER_SIDE_CURSORS": True}})
    django.setup()

made = {}
exec(block, made)
acting_as = made["acting_as"]


def run(transaction, statement):
    """The rows of a statement, within a transaction of the helper's or, where that is None, outside of any."""
    if TITLE == "psycopg 3":
        if transaction is None:
            with made["pool"].connection() as connection:
                return connection.execute(statement).fetchall()
        return transaction.execute(statement).fetchall()
    if TITLE == "SQLAlchemy":
        from sqlalchemy import text
        if transaction is None:
            with made["engine"].connect() as connection:
                return connection.execute(text(statement)).fetchall()
        return transaction.execute(text(statement)).fetchall()
    with made["connection"].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def user(n):
    return f"00000000-0000-0000-0000-0000000001{n:02}"


def team(n):
    return f"00000000-0000-0000-0000-0000000002{n:02}"


class HalfWay(Exception):
    pass


ROWS = "SELECT tenant_id::text FROM note"
WHO = "SELECT teamrbac.current_user_id()::text"
COUNT = "UPDATE note SET n = n + 1 WHERE id = {} RETURNING n"


def request(i):
    n, kind = i % 20, i // 20 % 10
    if kind == 0:
        assert run(None, ROWS) == [], "a row without an identity"
    elif kind == 1:
        try:
            with acting_as(user(n)) as transaction:
                run(transaction, COUNT.format(2))
                if i % 2 == 0:
                    run(transaction, "SELECT 1 / 0")
                raise HalfWay
        except HalfWay:
            pass
        except Exception as error:
            assert "division by zero" in str(error), error
        else:
            raise AssertionError("a failure was swallowed")
    else:
        with acting_as(user(n)) as transaction:
            assert run(transaction, WHO)[0][0] == user(n)
            assert [row[0] for row in run(transaction, ROWS)] == [team(n)] * 5, "rows of somebody else"
            assert len(run(transaction, COUNT.format(1))) == 1


failures = []


def in_threads(target, count):
    def guarded(n):
        try:
            target(n)
        except BaseException as error:
            failures.append(error)
    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads


def load():
    numbers = iter(range(2000))
    lock = threading.Lock()

    def worker(_):
        while True:
            with lock:
                i = next(numbers, None)
            if i is None or failures:
                return
            request(i)
    for thread in in_threads(worker, 20):
        thread.join()
    if failures:
        raise failures[0]


def nested():
    with acting_as(user(3)) as transaction:
        try:
            with acting_as(user(7)) as inner:
                assert run(inner, WHO)[0][0] == user(7)
        except RuntimeError:
            assert TITLE == "Django"
        assert run(transaction, WHO)[0][0] == user(3), "the inner identity has outlived its block"
    if TITLE == "Django":
        # As under ATOMIC_REQUESTS.
        with made["transaction"].atomic():
            with acting_as(user(7)):
                pass
            assert run(None, WHO)[0][0] is None, "the identity has outlived its block"
            try:
                with acting_as(user(7)):
                    raise HalfWay
            except HalfWay:
                pass
            assert run(None, WHO)[0][0] is None, "the identity has outlived its block"
            with acting_as(user(8)):
                assert run(None, WHO)[0][0] == user(8)


def interrupted():
    lost = []

    def sleeper(n):
        try:
            with acting_as(user(n)) as transaction:
                run(transaction, "SELECT pg_sleep(60)::text")
        except Exception as error:
            lost.append(error)
    threads = in_threads(sleeper, 10)
    subprocess.run([os.environ["INTERRUPT"]], check=True)
    for thread in threads:
        thread.join()
    assert len(lost) == 10 and not failures, "a request whose backend was killed has not failed"
    for n in range(20):
        for attempt in itertools.count(1):
            try:
                with acting_as(user(n)) as transaction:
                    assert run(transaction, WHO)[0][0] == user(n)
                break
            except AssertionError:
                raise
            except Exception:
                if attempt == 12:
                    raise


load()
nested()
interrupted()
if TITLE == "psycopg 3":
    made["pool"].close()
print(f"{TITLE}: 2000 requests of 20 users, nested, interrupted: no wrong row.")

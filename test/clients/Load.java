// JDBC: see README.md.  run.sh puts the block of docs/clients.md in its place.
import java.net.URI;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

public class Load {
    // BLOCK FROM docs/clients.md

    static final String ROWS = "SELECT tenant_id::text FROM note";
    static final String WHO = "SELECT teamrbac.current_user_id()::text";
    static final String COUNT = "UPDATE note SET n = n + 1 WHERE id = %d RETURNING n";

    static class HalfWay extends RuntimeException {}

    static class Wrong extends Error {
        Wrong(String message) {
            super(message);
        }
    }

    static UUID user(int n) {
        return UUID.fromString(String.format("00000000-0000-0000-0000-0000000001%02d", n));
    }

    static String team(int n) {
        return String.format("00000000-0000-0000-0000-0000000002%02d", n);
    }

    static void check(boolean condition, String message) {
        if (!condition) throw new Wrong(message);
    }

    static List<String> run(Connection connection, String statement) throws SQLException {
        List<String> values = new ArrayList<>();
        try (Statement execution = connection.createStatement(); ResultSet rows = execution.executeQuery(statement)) {
            while (rows.next()) values.add(rows.getString(1));
        }
        return values;
    }

    static void request(DataSource source, int i) throws SQLException {
        int n = i % 20;
        switch (i / 20 % 10) {
            case 0:
                try (Connection connection = source.getConnection()) {
                    check(run(connection, ROWS).isEmpty(), "a row without an identity");
                }
                return;
            case 1:
                try {
                    as(source, user(n), connection -> {
                        run(connection, String.format(COUNT, 2));
                        if (i % 2 == 0) run(connection, "SELECT 1 / 0");
                        throw new HalfWay();
                    });
                    check(false, "a failure was swallowed");
                } catch (HalfWay expected) {
                    return;
                } catch (SQLException failure) {
                    check("22012".equals(failure.getSQLState()), failure.toString());
                }
                return;
            default:
                as(source, user(n), connection -> {
                    check(run(connection, WHO).equals(List.of(user(n).toString())), "somebody else");
                    check(run(connection, ROWS).equals(Collections.nCopies(5, team(n))), "rows of somebody else");
                    check(run(connection, String.format(COUNT, 1)).size() == 1, "no row counted");
                    return null;
                });
        }
    }

    static <T> List<Future<T>> together(ExecutorService threads, int count, Callable<T> work) {
        List<Future<T>> futures = new ArrayList<>();
        for (int i = 0; i < count; i++) futures.add(threads.submit(work));
        return futures;
    }

    public static void main(String[] arguments) throws Exception {
        URI url = URI.create(System.getenv("DATABASE_URL"));
        PGSimpleDataSource source = new PGSimpleDataSource();
        source.setServerNames(new String[] {url.getHost()});
        source.setPortNumbers(new int[] {url.getPort()});
        source.setDatabaseName(url.getPath().substring(1));
        source.setUser(url.getUserInfo());
        source.setPrepareThreshold(0);
        ExecutorService threads = Executors.newFixedThreadPool(20);

        AtomicInteger next = new AtomicInteger();
        for (Future<Void> worker : together(threads, 20, () -> {
            for (int i = next.getAndIncrement(); i < 2000; i = next.getAndIncrement()) request(source, i);
            return (Void) null;
        })) worker.get();

        as(source, user(3), connection -> {
            as(source, user(7), inner -> {
                check(run(inner, WHO).equals(List.of(user(7).toString())), "somebody else");
                return null;
            });
            check(run(connection, WHO).equals(List.of(user(3).toString())), "the inner identity outlived its block");
            return null;
        });

        AtomicInteger sleeper = new AtomicInteger();
        List<Future<Void>> asleep = together(threads, 10, () -> {
            as(source, user(sleeper.getAndIncrement()), connection -> run(connection, "SELECT pg_sleep(60)::text"));
            return (Void) null;
        });
        check(new ProcessBuilder(System.getenv("INTERRUPT")).inheritIO().start().waitFor() == 0, "interrupt.sh");
        for (Future<Void> lost : asleep) {
            try {
                lost.get();
                check(false, "a request whose backend was killed has not failed");
            } catch (ExecutionException failure) {
                check(failure.getCause() instanceof SQLException, failure.toString());
            }
        }
        for (int i = 0; i < 20; i++) {
            int n = i;
            for (int attempt = 1; ; attempt++) {
                try {
                    as(source, user(n), connection -> {
                        check(run(connection, WHO).equals(List.of(user(n).toString())), "somebody else");
                        return null;
                    });
                    break;
                } catch (SQLException failure) {
                    if (attempt == 12) throw failure;
                }
            }
        }
        threads.shutdown();
        System.out.println("JDBC: 2000 requests of 20 users, nested, interrupted: no wrong row.");
    }
}

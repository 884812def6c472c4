// pgx: see README.md.  run.sh puts the block of docs/clients.md behind it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

const (
	rows  = "SELECT tenant_id::text FROM note"
	who   = "SELECT teamrbac.current_user_id()::text"
	count = "UPDATE note SET n = n + 1 WHERE id = %d RETURNING n::text"
)

var (
	ctx     = context.Background()
	halfWay = errors.New("half way")
)

func user(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-0000000001%02d", n) }
func team(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-0000000002%02d", n) }

// What is wrong, and no failure of the connection's, ends the program.
func check(condition bool, message string) {
	if !condition {
		fmt.Fprintln(os.Stderr, "pgx:", message)
		os.Exit(1)
	}
}

type querier interface {
	Query(ctx context.Context, sql string, args ...interface{}) (pgx.Rows, error)
}

func run(on querier, statement string) ([]string, error) {
	result, err := on.Query(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	values := []string{}
	for result.Next() {
		var value *string
		if err := result.Scan(&value); err != nil {
			return nil, err
		}
		if value == nil {
			values = append(values, "null")
		} else {
			values = append(values, *value)
		}
	}
	return values, result.Err()
}

func request(pool *pgxpool.Pool, i int) {
	n := i % 20
	switch i / 20 % 10 {
	case 0:
		seen, err := run(pool, rows)
		check(err == nil && len(seen) == 0, fmt.Sprint("a row without an identity: ", seen, err))
	case 1:
		err := as(ctx, pool, user(n), func(tx pgx.Tx) error {
			if _, err := run(tx, fmt.Sprintf(count, 2)); err != nil {
				return err
			}
			if i%2 == 0 {
				if _, err := run(tx, "SELECT 1 / 0"); err != nil {
					return err
				}
			}
			return halfWay
		})
		check(err != nil && (err == halfWay || strings.Contains(err.Error(), "22012")), fmt.Sprint("half way: ", err))
	default:
		err := as(ctx, pool, user(n), func(tx pgx.Tx) error {
			is, err := run(tx, who)
			if err != nil {
				return err
			}
			check(is[0] == user(n), "somebody else")
			seen, err := run(tx, rows)
			if err != nil {
				return err
			}
			check(strings.Join(seen, " ") == strings.TrimSpace(strings.Repeat(team(n)+" ", 5)), "rows of somebody else")
			counted, err := run(tx, fmt.Sprintf(count, 1))
			check(err != nil || len(counted) == 1, "no row counted")
			return err
		})
		check(err == nil, fmt.Sprint("request: ", err))
	}
}

func main() {
	pool, err := open(ctx, os.Getenv("DATABASE_URL"))
	check(err == nil, fmt.Sprint(err))

	var next int64 = -1
	var workers sync.WaitGroup
	for w := 0; w < 20; w++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := atomic.AddInt64(&next, 1); i < 2000; i = atomic.AddInt64(&next, 1) {
				request(pool, int(i))
			}
		}()
	}
	workers.Wait()

	err = as(ctx, pool, user(3), func(tx pgx.Tx) error {
		if err := as(ctx, pool, user(7), func(inner pgx.Tx) error {
			is, err := run(inner, who)
			check(err != nil || is[0] == user(7), "somebody else")
			return err
		}); err != nil {
			return err
		}
		is, err := run(tx, who)
		check(err != nil || is[0] == user(3), "the inner identity has outlived its block")
		return err
	})
	check(err == nil, fmt.Sprint("nested: ", err))

	lost := make(chan error, 10)
	for n := 0; n < 10; n++ {
		go func(n int) {
			lost <- as(ctx, pool, user(n), func(tx pgx.Tx) error {
				_, err := run(tx, "SELECT pg_sleep(60)::text")
				return err
			})
		}(n)
	}
	output, err := exec.Command(os.Getenv("INTERRUPT")).CombinedOutput()
	check(err == nil, "interrupt.sh: "+string(output))
	for n := 0; n < 10; n++ {
		check(<-lost != nil, "a request whose backend was killed has not failed")
	}
	for n := 0; n < 20; n++ {
		for attempt := 1; ; attempt++ {
			err := as(ctx, pool, user(n), func(tx pgx.Tx) error {
				is, err := run(tx, who)
				check(err != nil || is[0] == user(n), "somebody else")
				return err
			})
			if err == nil {
				break
			}
			check(attempt < 12, fmt.Sprint("after the interruption: ", err))
		}
	}
	pool.Close()
	fmt.Println("pgx: 2000 requests of 20 users, nested, interrupted: no wrong row.")
}


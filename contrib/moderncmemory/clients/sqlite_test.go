package clients_test

import (
	"errors"
	"strings"
	"testing"

	"modernc.org/memory"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/allod-dev/allod/contrib/moderncmemory/clients/workload"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// on makes a the source of memory until the test ends.
func on(t testing.TB, a mem.Allocator) {
	before := memory.SetDefault(a)
	t.Cleanup(func() { memory.SetDefault(before) })
}

// watching returns a Debug that fails the test for whatever it finds. What libc
// keeps for itself outlives the test, so that nobody asks for leaks.
func watching(t testing.TB) *heap.Debug {
	d := heap.NewDebug(heap.Default(), heap.DebugOptions{OnMisuse: func(m *heap.Misuse) {
		t.Errorf("%v\n%v\nallocated by\n%v\nfreed by\n%v", m, m.Here, m.Alloc, m.Free)
	}})
	t.Cleanup(func() {
		for _, m := range d.Check() {
			t.Errorf("%v\nallocated by\n%v", m, m.Alloc)
		}
	})
	return d
}

func runSQLite(t testing.TB, rows int) string {
	t.Helper()
	db, err := workload.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	result, err := workload.SQLite(db, rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return result
}

// SQLite comes to the same results on every allocator, and does nothing with its
// memory that a Debug objects to.
func TestSQLite(t *testing.T) {
	rows := 2000
	if testing.Short() {
		rows = 300
	}
	want := runSQLite(t, rows)
	d := watching(t)
	on(t, d)
	if got := runSQLite(t, rows); got != want {
		t.Errorf("under Debug %s, on SMP %s", got, want)
	}
	if n := d.Stats().Allocs; n < 1000 {
		t.Errorf("SQLite made only %d allocations here", n)
	}
}

// When memory runs out, SQLite says so with its own error, and neither the
// database nor the connection is the worse for it.
func TestLimit(t *testing.T) {
	limit := heap.NewLimit(watching(t), 1<<30)
	on(t, limit)
	db, err := workload.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{
		`create table t(id integer primary key, b blob)`,
		`with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000) insert into t select i, randomblob(500) from n`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []string{
		`insert into t(b) values(zeroblob(4000000) || 'x')`,
		`update t set b = b || zeroblob(3000000)`,
		`select group_concat(hex(b), '') from t`,
	} {
		limit.SetLimit(limit.Used() + 1<<20)
		_, err := db.Exec(q)
		limit.SetLimit(1 << 30)
		var e *sqlite.Error
		if !errors.As(err, &e) || e.Code() != sqlite3.SQLITE_NOMEM {
			t.Errorf("%s: %v, want SQLITE_NOMEM", q, err)
		}
		var n, size int
		var ok string
		if err := db.QueryRow(`select count(*), sum(length(b)) from t`).Scan(&n, &size); err != nil || n != 1000 || size != 500_000 {
			t.Errorf("after %s: %d rows of %d bytes, %v", q, n, size, err)
		}
		if err := db.QueryRow(`pragma integrity_check`).Scan(&ok); err != nil || ok != "ok" {
			t.Errorf("after %s: integrity %q, %v", q, ok, err)
		}
	}
	if _, err := db.Exec(`insert into t(b) values(zeroblob(4000000) || 'x')`); err != nil {
		t.Errorf("with memory again: %v", err)
	}
}

func TestQuickJS(t *testing.T) {
	rounds := 1
	want, err := workload.QuickJS(rounds, nil)
	if err != nil || !strings.HasPrefix(want, "4096 ") {
		t.Fatalf("%q, %v", want, err)
	}
	if testing.Short() {
		return
	}
	on(t, watching(t))
	if got, err := workload.QuickJS(rounds, nil); got != want || err != nil {
		t.Errorf("under Debug %q, on SMP %q; %v", got, want, err)
	}
}

func BenchmarkSQLite(b *testing.B) {
	for b.Loop() {
		runSQLite(b, 5000)
	}
}

// Package workload is work for SQLite and for QuickJS, whose results can be
// compared.
package workload

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"hash"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"modernc.org/quickjs"
	_ "modernc.org/sqlite"
)

// Open opens the database file in the folder dir, with one connection.
func Open(dir string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "work.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=cache_size(-8000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// SQLite fills a database with rows of items and their texts, indexes it, joins,
// searches, changes and vacuums it, and returns a checksum of all results. Unless lap
// is nil, it is called after each of these steps, and in between.
func SQLite(db *sql.DB, rows int, lap func()) (string, error) {
	if lap == nil {
		lap = func() {}
	}
	w := &worker{db: db, sum: sha256.New(), lap: lap}
	w.exec(`create table item(id integer primary key, city int, price real, name text, doc text)`)
	w.exec(`create table city(id integer primary key, name text)`)
	w.exec(`create virtual table text using fts5(body)`)
	w.fill(rows)
	w.exec(`create index item_city on item(city, price)`)
	w.exec(`create index item_name on item(name)`)
	w.query(`select c.name, count(*), sum(i.price), max(i.name) from item i join city c on c.id = i.city
		group by c.name order by c.name`)
	w.query(`select a.id, b.id from item a join item b on a.name = b.name and a.id < b.id
		order by a.id, b.id limit 2000`)
	w.query(`select rowid, snippet(text, 0, '<', '>', '...', 8) from text where text match 'amber AND (birch OR cedar)'
		order by rank, rowid limit 500`)
	w.query(`select json_extract(doc, '$.tags[1]') as tag, count(*) from item group by tag order by tag`)
	w.exec(`update item set name = name || ' ' || upper(name), price = price * 1.25 where city % 3 = 0`)
	w.exec(`delete from item where city % 5 = 0`)
	w.query(`with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
		select sum(i), count(distinct i % 977), group_concat(i % 10, '') from n`)
	w.exec(`vacuum`)
	w.query(`select count(*), sum(price), sum(length(name)) from item`)
	w.query(`pragma integrity_check`)
	return fmt.Sprintf("%x", w.sum.Sum(nil)), w.err
}

// A worker stops at the first error.
type worker struct {
	db  *sql.DB
	sum hash.Hash
	lap func()
	err error
}

func (w *worker) exec(q string, args ...any) {
	if w.err != nil {
		return
	}
	if _, err := w.db.Exec(q, args...); err != nil {
		w.err = fmt.Errorf("%.40s: %w", q, err)
	}
	w.lap()
}

var words = strings.Fields("amber birch cedar dune ember fern grove heath iris jade kelp lark moss north oak pine")

// lapRows is after how many rows fill, which takes a third of the whole, is a lap
// further.
const lapRows = 5000

// fill inserts the rows in one transaction.
func (w *worker) fill(rows int) {
	if w.err != nil {
		return
	}
	w.err = func() error {
		tx, err := w.db.BeginTx(context.Background(), nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		item, err := tx.Prepare(`insert into item values(?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		text, err := tx.Prepare(`insert into text(rowid, body) values(?, ?)`)
		if err != nil {
			return err
		}
		for id := range 100 {
			if _, err := tx.Exec(`insert into city values(?, ?)`, id, fmt.Sprint("city ", id)); err != nil {
				return err
			}
		}
		r := rand.New(rand.NewPCG(1, 2))
		word := func() string { return words[r.IntN(len(words))] }
		for id := range rows {
			if id%lapRows == lapRows-1 {
				w.lap()
			}
			doc := fmt.Sprintf(`{"id":%d,"tags":[%q,%q],"note":%q}`, id, word(), word(), strings.Repeat(word()+" ", 5))
			name := fmt.Sprint(word(), " ", r.IntN(rows))
			if _, err := item.Exec(id, r.IntN(100), float64(r.IntN(1e6))/64, name, doc); err != nil {
				return err
			}
			if id%4 == 0 {
				body := strings.Join([]string{word(), word(), word(), word(), word(), word(), word()}, " ")
				if _, err := text.Exec(id, body); err != nil {
					return err
				}
			}
		}
		return tx.Commit()
	}()
	w.lap()
}

// query adds all of the result to the checksum.
func (w *worker) query(q string) {
	if w.err != nil {
		return
	}
	w.err = func() error {
		rows, err := w.db.Query(q)
		if err != nil {
			return fmt.Errorf("%.40s: %w", q, err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values := make([]any, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(to...); err != nil {
				return err
			}
			fmt.Fprintln(w.sum, values...)
		}
		return rows.Err()
	}()
	w.lap()
}

const script = `
function node(depth) {
	return depth == 0 ? {value: 1} : {left: node(depth - 1), right: node(depth - 1), name: "n" + depth};
}
function count(n) { return n.value || count(n.left) + count(n.right); }
function round() {
	let out = [count(node(12))];
	let m = new Map();
	for (let i = 0; i < 20000; i++) m.set("key " + (i * 7919 % 20011), [i, "" + i]);
	let keys = [...m.keys()].sort();
	out.push(keys[100], keys.length);
	let text = JSON.stringify([...m.entries()].slice(0, 3000));
	out.push(JSON.parse(text).length, text.length);
	out.push(text.replace(/key (\d+)/g, "<$1>").split(/[<>]/).length);
	return out.join(" ");
}`

// QuickJS runs a script that builds trees, maps and strings, and returns what it
// says. Unless lap is nil, it is called when the program is ready, and after each
// round.
func QuickJS(rounds int, lap func()) (string, error) {
	if lap == nil {
		lap = func() {}
	}
	vm, err := quickjs.NewVM()
	if err != nil {
		return "", err
	}
	defer vm.Close()
	if _, err := vm.Eval(script, quickjs.EvalGlobal); err != nil {
		return "", err
	}
	lap()
	var said []string
	for range rounds {
		v, err := vm.Eval("round()", quickjs.EvalGlobal)
		if err != nil {
			return "", err
		}
		said = append(said, fmt.Sprint(v))
		lap()
	}
	return strings.Join(said, " "), nil
}

module github.com/allod-dev/allod/bench

go 1.26.0

replace github.com/allod-dev/allod => ..

require (
	github.com/allod-dev/allod v0.0.0
	github.com/apache/arrow-go/v18 v18.8.0
	github.com/bytedance/gopkg v0.1.4
	github.com/cockroachdb/swiss v0.0.0-20260820225851-333444432258
	github.com/dgraph-io/ristretto/v2 v2.4.2
	github.com/google/btree v1.1.3
	github.com/google/go-cmp v0.7.0
	github.com/jedib0t/go-pretty/v6 v6.8.3
	github.com/tidwall/btree v1.8.2
	golang.org/x/sys v0.50.0
	modernc.org/memory v1.12.1
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/mattn/go-runewidth v0.0.20 // indirect
	golang.org/x/exp v0.0.0-20261014143641-f0251eb4aa3e // indirect
	golang.org/x/text v0.41.0 // indirect
)

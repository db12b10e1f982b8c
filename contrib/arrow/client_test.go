package allodarrow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	allodarrow "github.com/allod-dev/allod/contrib/arrow"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "price", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "city", Type: arrow.BinaryTypes.String},
	{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String)},
}, nil)

// batch returns a record batch of n rows.
func batch(a memory.Allocator, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(a, schema)
	defer b.Release()
	tags := b.Field(3).(*array.ListBuilder)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if price := b.Field(1).(*array.Float64Builder); i%7 == 0 {
			price.AppendNull()
		} else {
			price.Append(float64(i) / 4)
		}
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprint("city ", i%100))
		tags.Append(true)
		for j := range i % 4 {
			tags.ValueBuilder().(*array.StringBuilder).Append(fmt.Sprint("tag ", j))
		}
	}
	return b.NewRecordBatch()
}

// work builds a batch, computes with it, and returns the sum of what is left of
// the prices. All that it holds, it releases.
func work(a memory.Allocator, rows int) (sum float64, err error) {
	ctx := compute.WithAllocator(context.Background(), a)
	rec := batch(a, rows)
	defer rec.Release()
	price := compute.NewDatumWithoutOwning(rec.Column(1))
	large, err := compute.CallFunction(ctx, "greater", nil, price, compute.NewDatum(1000.0))
	if err != nil {
		return 0, err
	}
	defer large.Release()
	filtered, err := compute.Filter(ctx, price, large, *compute.DefaultFilterOptions())
	if err != nil {
		return 0, err
	}
	defer filtered.Release()
	doubled, err := compute.Multiply(ctx, compute.ArithmeticOptions{}, filtered, compute.NewDatum(2.0))
	if err != nil {
		return 0, err
	}
	defer doubled.Release()
	result := doubled.(*compute.ArrayDatum).MakeArray()
	defer result.Release()
	for _, v := range result.(*array.Float64).Float64Values() {
		sum += v
	}
	return sum, nil
}

// watched returns an allocator that fails the test at its end for what leaked.
func watched(t *testing.T) *allodarrow.Checked {
	c := allodarrow.NewChecked(heap.Default(), heap.DebugOptions{})
	t.Cleanup(func() {
		c.AssertSize(t, 0)
		c.Close()
	})
	return c
}

func TestCompute(t *testing.T) {
	const rows = 10_000
	want, err := work(memory.NewGoAllocator(), rows)
	if err != nil {
		t.Fatal(err)
	}
	got, err := work(watched(t), rows)
	if err != nil || got != want {
		t.Errorf("on allod %v, on Go's heap %v; %v", got, want, err)
	}
}

func TestIPC(t *testing.T) {
	a := watched(t)
	rec := batch(a, 5000)
	defer rec.Release()
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(schema), ipc.WithAllocator(a), ipc.WithLZ4())
	for range 3 {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(&buf, ipc.WithAllocator(a))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	n := 0
	for r.Next() {
		n++
		if !array.RecordEqual(rec, r.RecordBatch()) {
			t.Errorf("batch %d differs", n)
		}
	}
	if err := r.Err(); err != nil && err != io.EOF || n != 3 {
		t.Errorf("%d batches, %v", n, err)
	}
}

func TestParquet(t *testing.T) {
	a := watched(t)
	rec := batch(a, 5000)
	defer rec.Release()
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &buf,
		parquet.NewWriterProperties(parquet.WithAllocator(a)),
		pqarrow.NewArrowWriterProperties(pqarrow.WithAllocator(a)))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := file.NewParquetReader(bytes.NewReader(buf.Bytes()), file.WithReadProps(parquet.NewReaderProperties(a)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{Parallel: true}, a)
	if err != nil {
		t.Fatal(err)
	}
	table, err := r.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer table.Release()
	want := array.NewTableFromRecords(table.Schema(), []arrow.RecordBatch{rec})
	defer want.Release()
	if !array.TableEqual(want, table) {
		t.Errorf("read %d rows that differ", table.NumRows())
	}
}

// compute.Unique never releases what it holds of the values that it has seen. If
// this test fails because nothing leaks, arrow has been mended.
func TestLeakInUnique(t *testing.T) {
	c := allodarrow.NewChecked(heap.Default(), heap.DebugOptions{OnLeak: func(*heap.LeakError) {}})
	rec := batch(c, 1000)
	unique, err := compute.UniqueArray(compute.WithAllocator(context.Background(), c), rec.Column(2))
	if err != nil {
		t.Fatal(err)
	}
	unique.Release()
	rec.Release()
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), "kernels.(*regularHashState).Reset") {
		t.Errorf("Close: %v; want a leak by regularHashState", err)
	}
}

// Within a limit, work fails with an error, or a panic with one, and leaves
// nothing behind.
func TestLimit(t *testing.T) {
	a := watched(t)
	limit := heap.NewLimit(a.Unwrap(), 0)
	limited := allodarrow.New(limit)
	failed := 0
	for bytes := 0; ; bytes += 100_000 {
		limit.SetLimit(bytes)
		var err error
		if p := caught(func() { _, err = work(limited, 2000) }); p != nil {
			err = p
		}
		if err == nil {
			break
		}
		failed++
		if !errors.Is(err, mem.ErrOutOfMemory) {
			t.Fatalf("with %d bytes: %v", bytes, err)
		}
	}
	if failed == 0 {
		t.Error("work needs no memory")
	}
}

func BenchmarkWork(b *testing.B) {
	for _, impl := range []struct {
		name string
		a    memory.Allocator
	}{
		{"go", memory.NewGoAllocator()},
		{"smp", allodarrow.New(heap.Default())},
	} {
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := work(impl.a, 60_000); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

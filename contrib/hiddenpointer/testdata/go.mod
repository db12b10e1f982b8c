module example.com/testdata

go 1.26.0

require github.com/allod-dev/allod v0.0.0

require (
	golang.org/x/exp v0.0.0-20261014143641-f0251eb4aa3e // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/allod-dev/allod => ../../..

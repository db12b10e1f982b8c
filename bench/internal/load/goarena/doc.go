//go:build !goexperiment.arenas

// Package goarena is empty in this build.
package goarena

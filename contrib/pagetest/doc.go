// Package pagetest holds the tests of the page of package heaphttp in a real
// browser, and of profiles with the packages of pprof. It is a module of its own,
// so that what drives the browser stays out of everybody else's.
//
// The tests of the page are skipped where there is no Chromium or Chrome. With -shots=DIR
// they leave pictures of the page in a folder, to be looked at.
package pagetest

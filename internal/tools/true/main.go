// Command true does nothing, successfully. The Makefile runs it to learn
// whether this machine can run programs of another architecture.
package main

func main() {}

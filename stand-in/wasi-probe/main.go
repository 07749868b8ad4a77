// probe is a WASI command that does what its first argument says, so that one sees what comes back.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: probe WORD …")
		os.Exit(2)
	}
	number := func(index int) int {
		if len(os.Args) <= index {
			return 0
		}
		value, err := strconv.Atoi(os.Args[index])
		check(err)
		return value
	}
	switch os.Args[1] {
	case "echo":
		fmt.Println(strings.Join(os.Args[2:], " "))
	case "exit":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		os.Exit(number(2))
	case "env":
		fmt.Println(os.Getenv(os.Args[2]))
	case "cat":
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
	case "files":
		files()
	case "hash":
		// Work that takes processor time: rounds of SHA-256.
		sum := sha256.Sum256([]byte(os.Args[3]))
		for range number(2) {
			sum = sha256.Sum256(sum[:])
		}
		fmt.Printf("%s %x\n", os.Args[3], sum[:8])
	case "sleep":
		time.Sleep(time.Duration(number(2)) * time.Millisecond)
		fmt.Println("slept")
	case "loop":
		for count := 0; ; count++ {
			_ = count
		}
	case "memory":
		taken := [][]byte{}
		for range number(2) {
			block := make([]byte, 1<<20)
			for at := range block {
				block[at] = 1
			}
			taken = append(taken, block)
		}
		fmt.Println(len(taken), "MiB")
	default:
		fmt.Fprintln(os.Stderr, "no such word")
		os.Exit(2)
	}
}

// files reads what was given, lists it, and leaves something behind.
func files() {
	given, err := os.ReadFile("/given/text")
	check(err)
	list, err := os.ReadDir("/given")
	check(err)
	for _, one := range list {
		fmt.Println(one.Name())
	}
	check(os.MkdirAll("/made", 0o755))
	check(os.WriteFile("/made/upper", []byte(strings.ToUpper(string(given))), 0o644))
	check(os.Rename("/made/upper", "/made/text"))
	if _, err := os.Stat("/made/upper"); !os.IsNotExist(err) {
		check(fmt.Errorf("the file is there under its former name too: %w", err))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// hello is a small program for an image that has nothing else in it. By itself it says hello, by which the lab sees
// that a machine gets its images from the stack's own registry; with arguments it is what `npm run lab:verify` looks
// at a Kubernetes cluster with, from inside a pod.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const patience = 20 * time.Second

var commands = map[string]func(args []string) (string, error){
	"serve":   serve,
	"resolve": resolve,
	"get":     get,
	"dial":    dial,
	"write":   write,
	"read":    read,
}

func main() {
	if len(os.Args) == 1 {
		fmt.Println("hello")
		return
	}
	command := commands[os.Args[1]]
	if command == nil {
		fmt.Fprintln(os.Stderr, "unknown command:", os.Args[1])
		os.Exit(2)
	}
	answer, err := command(os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(answer)
}

// serve ADDRESS: answers every request with the name of the machine, which is that of the pod.
func serve(args []string) (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", err
	}
	return "", http.ListenAndServe(args[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, name)
	}))
}

// resolve NAME
func resolve(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, args[0])
	return strings.Join(addresses, " "), err
}

// get URL
func get(args []string) (string, error) {
	client := http.Client{Timeout: patience}
	response, err := client.Get(args[0])
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return strings.TrimSpace(string(body)), err
}

// dial ADDRESS: whether something listens there.
func dial(args []string) (string, error) {
	connection, err := net.DialTimeout("tcp", args[0], patience)
	if err != nil {
		return "", err
	}
	return "connected", connection.Close()
}

// write FILE TEXT
func write(args []string) (string, error) {
	return "written", os.WriteFile(args[0], []byte(args[1]), 0o600)
}

// read FILE
func read(args []string) (string, error) {
	text, err := os.ReadFile(args[0])
	return string(text), err
}

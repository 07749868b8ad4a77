// hello is the smallest program that an image can hold: the lab runs it to see that a machine gets its
// images from the stack's own registry.
package main

import "os"

func main() {
	os.Stdout.WriteString("hello\n")
}

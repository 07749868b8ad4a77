// Package standins has the small programs that other charts' services are replaced by.
package standins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Mail is the mode `smtp`: it takes mail like a relay and throws it away. The argument is the address to listen at.
func Mail(ctx context.Context, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: conformance smtp ADDRESS")
	}
	listener, err := net.Listen("tcp", arguments[0])
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go receive(connection)
	}
}

func receive(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewScanner(connection)
	say := func(text string) { fmt.Fprintf(connection, "%s\r\n", text) }
	say("220 stand-in that delivers nothing")
	for lines.Scan() {
		_ = connection.SetDeadline(time.Now().Add(5 * time.Minute))
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch strings.ToUpper(word) {
		case "EHLO", "HELO", "NOOP", "RSET":
			say("250 ok")
		case "MAIL", "RCPT":
			if !strings.Contains(rest, "@") {
				say("501 an address has an @")
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			for lines.Scan() && lines.Text() != "." {
			}
			fmt.Println("took a mail and threw it away")
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 not known here")
		}
	}
}

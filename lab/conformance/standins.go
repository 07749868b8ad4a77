package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// serveSMTP takes mail like a relay and throws it away. The argument is the address to listen at.
func serveSMTP(ctx context.Context, arguments []string) error {
	address := ":25"
	if len(arguments) > 0 {
		address = arguments[0]
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	for {
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go receiveMail(connection)
	}
}

func receiveMail(connection net.Conn) {
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

// serveAWS knows the queues that it is given as arguments, and nothing else of SQS and SNS than what the checks ask.
func serveAWS(ctx context.Context, queues []string) error {
	answers := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		switch request.FormValue("Action") {
		case "GetQueueUrl":
			for _, queue := range queues {
				if queue == request.FormValue("QueueName") {
					fmt.Fprintf(w, "<GetQueueUrlResponse><GetQueueUrlResult><QueueUrl>http://%s/queue/%s</QueueUrl>"+
						"</GetQueueUrlResult></GetQueueUrlResponse>\n", request.Host, queue)
					return
				}
			}
			http.Error(w, "there is no such queue", http.StatusBadRequest)
		case "ListPlatformApplications":
			fmt.Fprintln(w, "<ListPlatformApplicationsResponse/>")
		case "":
			fmt.Fprintln(w, disclaimer)
		default:
			http.Error(w, "this stand-in does not know that", http.StatusNotImplemented)
		}
	})
	return listenHTTP(ctx, ":4568,:4575", answers)
}

package standins

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"wiab-staging/stand-in/program/web"
)

// AWS is the mode `aws`: it knows the queues that it is given as arguments, and nothing else of SQS and SNS than what the checks ask.
func AWS(ctx context.Context, queues []string) error {
	answers := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		switch request.FormValue("Action") {
		case "GetQueueUrl":
			queue := request.FormValue("QueueName")
			if !slices.Contains(queues, queue) {
				http.Error(w, "there is no queue "+queue, http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, "<GetQueueUrlResponse><GetQueueUrlResult><QueueUrl>http://%s/queue/%s</QueueUrl>"+
				"</GetQueueUrlResult></GetQueueUrlResponse>\n", request.Host, queue)
		case "ListPlatformApplications":
			fmt.Fprintln(w, "<ListPlatformApplicationsResponse/>")
		case "":
			fmt.Fprintln(w, web.Disclaimer)
		default:
			http.Error(w, "this stand-in does not know that", http.StatusNotImplemented)
		}
	})
	return web.Serve(ctx, answers, ":4568", ":4575")
}

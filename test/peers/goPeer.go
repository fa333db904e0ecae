// A peer that others' code drives: Go's net/http, as a target (`serve PORT`) and as the client of one (`visit URL USER`).
// The client prints what it was answered, a line a visit, without what differs from run to run, so that two runs can be compared.

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

func main() {
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2])
	case "visit":
		visit(os.Args[2], os.Args[3])
	}
}

func digest(in io.Reader) (int64, string, error) {
	sum := sha256.New()
	count, err := io.Copy(sum, in)
	return count, fmt.Sprintf("%x", sum.Sum(nil)), err
}

// Upgrades of the server by what the compiler's library can do.
var improve = func(server *http.Server) {}

func serve(port string) {
	routes := http.NewServeMux()
	routes.HandleFunc("/text", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(answer, "target %s %s\n", request.Method, request.URL)
	})
	routes.HandleFunc("/stream", func(answer http.ResponseWriter, request *http.Request) {
		for i := 0; i < 5; i++ {
			fmt.Fprintf(answer, "piece %d\n", i)
			answer.(http.Flusher).Flush()
			time.Sleep(2 * time.Millisecond)
		}
	})
	routes.HandleFunc("/trailers", func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("Trailer", "X-Sum")
		io.WriteString(answer, "before the trailers\n")
		answer.(http.Flusher).Flush()
		answer.Header().Set("X-Sum", "19")
	})
	routes.HandleFunc("/echo", func(answer http.ResponseWriter, request *http.Request) {
		count, sum, err := digest(request.Body)
		json.NewEncoder(answer).Encode(map[string]any{
			"by": "target", "method": request.Method, "proto": request.Proto, "headers": request.Header, "length": request.ContentLength,
			"encoding": request.TransferEncoding, "bytes": count, "sha256": sum, "failed": err != nil, "trailers": request.Trailer,
		})
	})
	routes.HandleFunc("/early", func(answer http.ResponseWriter, request *http.Request) {
		http.Error(answer, "too large", http.StatusRequestEntityTooLarge)
	})
	routes.HandleFunc("/unchanged", func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("ETag", `"one"`)
		answer.WriteHeader(http.StatusNotModified)
	})
	routes.HandleFunc("/broken", func(answer http.ResponseWriter, request *http.Request) {
		io.WriteString(answer, "only a part\n")
		answer.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	server := &http.Server{Addr: ":" + port, Handler: routes}
	improve(server)
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var withoutReuse = strings.NewReplacer("reused=true", "", "reused=false", "")

// A reader whose pieces are apart, so that nobody sees all of them in one packet.
type slowReader struct{ pieces []string }

func (r *slowReader) Read(into []byte) (int, error) {
	if len(r.pieces) == 0 {
		return 0, io.EOF
	}
	time.Sleep(20 * time.Millisecond)
	count := copy(into, r.pieces[0])
	r.pieces = r.pieces[1:]
	return count, nil
}

type visitor struct {
	url, user string
	client    *http.Client
}

// A client that shares no connections.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 4
	transport.ExpectContinueTimeout = 2 * time.Second
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func visit(url, user string) {
	one := visitor{url, user, newClient()}
	for i := 0; i < 3; i++ {
		one.ask("kept", "GET", "/text", nil, nil)
	}
	one.ask("stream", "GET", "/stream", nil, nil)
	one.ask("trailers", "GET", "/trailers", nil, nil)
	one.ask("unchanged", "GET", "/unchanged", nil, nil)
	one.ask("head", "HEAD", "/text", nil, nil)
	one.ask("upload", "POST", "/echo", bytes.NewReader(make([]byte, 300_000)), nil)
	one.ask("expecting", "PUT", "/echo", bytes.NewReader(make([]byte, 200_000)), func(request *http.Request) {
		request.Header.Set("Expect", "100-continue")
	})
	// A reader of no known length is sent in chunks.
	pieces := &slowReader{[]string{"one", "two"}}
	one.ask("chunked with trailers", "POST", "/echo", pieces, func(request *http.Request) {
		request.Trailer = http.Header{"X-End": {"6"}}
	})
	// Over connections of their own: whether one could be used again after an early answer would be a matter of moments.
	for _, expect := range []string{"", "100-continue"} {
		visitor{url, user, newClient()}.ask("early", "POST", "/early", bytes.NewReader(make([]byte, 8_000_000)), func(request *http.Request) {
			if expect != "" {
				request.Header.Set("Expect", expect)
			}
		})
	}
	one.ask("broken", "GET", "/broken", nil, nil)
	one.crowd()
}

// Asks once and prints the answer.
func (v visitor) ask(name, method, path string, body io.Reader, change func(*http.Request)) {
	fmt.Println(name+":", v.answer(method, path, body, change))
}

func (v visitor) answer(method, path string, body io.Reader, change func(*http.Request)) string {
	request, err := http.NewRequest(method, v.url+path, body)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("X-User", v.user)
	if change != nil {
		change(request)
	}
	reused, continued := false, false
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		GotConn:        func(info httptrace.GotConnInfo) { reused = info.Reused },
		Got100Continue: func() { continued = true },
	}))
	answer, err := v.client.Do(request)
	if err != nil {
		return "failed: " + err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	answer.Header.Del("Date")
	names := []string{}
	for name, values := range answer.Header {
		names = append(names, fmt.Sprint(name, values))
	}
	sort.Strings(names)
	return fmt.Sprintf("%s %s reused=%t continued=%t length=%d encoding=%v headers=%v trailers=%v cut=%t %q",
		answer.Proto, answer.Status, reused, continued, answer.ContentLength, answer.TransferEncoding, names, answer.Trailer, err != nil, text)
}

// Asks many times at once; connections are opened and kept as the library thinks fit.
func (v visitor) crowd() {
	counts := map[string]int{}
	var lock sync.Mutex
	var all sync.WaitGroup
	for i := 0; i < 16; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := 0; j < 20; j++ {
				answer := v.answer("GET", "/text", nil, nil)
				lock.Lock()
				counts[withoutReuse.Replace(answer)]++
				lock.Unlock()
			}
		}()
	}
	all.Wait()
	fmt.Println("crowd:", counts)
}

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

// receiver records every request other than GET, in order:
//
//	POST /NAME        is recorded
//	POST /hang/NAME   is recorded and gets no response
//	POST /fail/NAME   is recorded and fails with 500
//	GET /             returns the recorded requests, one line of JSON each
type receiver struct {
	mu       sync.Mutex
	requests []received
}

type received struct {
	Path          string `json:"path"`
	Authorization string `json:"authorization,omitempty"`
	ContentType   string `json:"contentType,omitempty"`
	// Body is the request's JSON, or its text as a JSON string.
	Body json.RawMessage `json:"body"`
}

func newReceiver(ctx context.Context) http.Handler {
	r := new(receiver)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", r.list)
	mux.HandleFunc("/hang/", func(w http.ResponseWriter, req *http.Request) {
		r.record(w, req)
		select {
		case <-req.Context().Done():
		case <-ctx.Done():
		}
	})
	mux.HandleFunc("/fail/", func(w http.ResponseWriter, req *http.Request) {
		if r.record(w, req) {
			http.Error(w, "this path always fails", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) { r.record(w, req) })
	return mux
}

func (r *receiver) record(w http.ResponseWriter, req *http.Request) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	if !json.Valid(body) {
		body, _ = json.Marshal(string(body)) // marshaling a string cannot fail
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, received{
		Path: req.Method + " " + req.URL.Path, Body: body,
		Authorization: req.Header.Get("Authorization"), ContentType: req.Header.Get("Content-Type"),
	})
	return true
}

func (r *receiver) list(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for _, t := range r.requests {
		if err := lines.Encode(t); err != nil {
			return
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

// receiver keeps every request that is not a GET, in order:
//
//	POST /NAME        is taken
//	POST /hang/NAME   is taken, and never answered
//	POST /fail/NAME   is taken, and answered with 500
//	GET /             what was taken, a line of JSON each
type receiver struct {
	mu    sync.Mutex
	taken []taken
}

type taken struct {
	Path          string `json:"path"`
	Authorization string `json:"authorization,omitempty"`
	ContentType   string `json:"contentType,omitempty"`
	// Body is JSON as it came, or text as a string of JSON.
	Body json.RawMessage `json:"body"`
}

func newReceiver(ctx context.Context) http.Handler {
	r := new(receiver)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", r.list)
	mux.HandleFunc("/hang/", func(w http.ResponseWriter, req *http.Request) {
		r.take(w, req)
		select {
		case <-req.Context().Done():
		case <-ctx.Done():
		}
	})
	mux.HandleFunc("/fail/", func(w http.ResponseWriter, req *http.Request) {
		if r.take(w, req) {
			http.Error(w, "the receiver was told to fail", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) { r.take(w, req) })
	return mux
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	if !json.Valid(body) {
		body, _ = json.Marshal(string(body)) // a string always can be
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = append(r.taken, taken{
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
	for _, t := range r.taken {
		if err := lines.Encode(t); err != nil {
			return
		}
	}
}

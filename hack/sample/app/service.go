package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// started, with the pod's name, identifies the process for tests.
var started = time.Now().UTC()

// newService returns the HTTP API. Requests and responses are JSON; an error contains PostgreSQL's message.
func newService(s *store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 4*time.Second) // below the probe's timeoutSeconds
		defer cancel()
		if err := s.ready(ctx); err != nil {
			refuse(w, http.StatusServiceUnavailable, err)
			return
		}
		answer(w, http.StatusOK, map[string]string{"status": "ready", "release": release})
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		host, _ := os.Hostname()
		answer(w, http.StatusOK, map[string]any{"release": release, "pod": host, "pid": os.Getpid(), "started": started})
	})
	mux.HandleFunc("GET /bookings", func(w http.ResponseWriter, r *http.Request) {
		bookings, err := s.list(r.Context())
		if err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		answer(w, http.StatusOK, bookings)
	})
	mux.HandleFunc("POST /bookings", func(w http.ResponseWriter, r *http.Request) { book(w, r, s) })
	return mux
}

func book(w http.ResponseWriter, r *http.Request, s *store) {
	var req request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	id, err := s.book(r.Context(), req)
	if err != nil {
		refuse(w, statusOf(err), err)
		return
	}
	answer(w, http.StatusCreated, map[string]int{"id": id})
}

// statusOf returns the HTTP status of an error. Constraint violations and invalid values are the client's errors.
func statusOf(err error) int {
	if errors.Is(err, errNoRoom) {
		return http.StatusNotFound
	}
	var pe *pq.Error
	if !errors.As(err, &pe) {
		return http.StatusInternalServerError
	}
	switch {
	case pe.Code == pqerror.ExclusionViolation:
		return http.StatusConflict
	case pe.Code.Class() == pqerror.ClassIntegrityConstraintViolation, pe.Code.Class() == pqerror.ClassDataException:
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

func refuse(w http.ResponseWriter, status int, err error) {
	slog.Warn("refused", "status", status, "error", err)
	answer(w, status, map[string]string{"error": err.Error()})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Warn("response not completed", "error", err)
	}
}

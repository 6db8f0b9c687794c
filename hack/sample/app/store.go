package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

var errNoRoom = errors.New("no such room")

type store struct {
	db  *sql.DB
	sql statements
}

// request is a booking request; dates have the form 2026-07-14.
type request struct {
	Room    string `json:"room"`
	Arrives string `json:"arrives"`
	Leaves  string `json:"leaves"`
	Guest   struct {
		Name  string `json:"name"`
		Email string `json:"email"`
		Phone string `json:"phone"`
	} `json:"guest"`
}

// ready prepares every statement of this release, which fails if the schema does not match.
func (s *store) ready(ctx context.Context) error {
	for name, text := range map[string]string{"list": s.sql.list, "book": s.sql.book} {
		stmt, err := s.db.PrepareContext(ctx, text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := stmt.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) list(ctx context.Context) ([]json.RawMessage, error) {
	rows, err := s.db.QueryContext(ctx, s.sql.list)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	bookings := []json.RawMessage{}
	for rows.Next() {
		var b json.RawMessage
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		bookings = append(bookings, b)
	}
	return bookings, rows.Err()
}

func (s *store) book(ctx context.Context, r request) (id int, err error) {
	err = s.db.QueryRowContext(ctx, s.sql.book,
		r.Room, r.Guest.Name, r.Guest.Email, r.Guest.Phone, r.Arrives, r.Leaves).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, errNoRoom
	}
	return id, err
}

package toolrun

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/shiplock/shiplock/internal/postgres"
)

// A NewerRun is the first run of a newer version of the tool's image or files.
type NewerRun struct {
	Version, Release string
	Started          time.Time
}

func (r NewerRun) String() string {
	s := fmt.Sprintf("version %s at %s", r.Version, r.Started.UTC().Format(time.RFC3339))
	if r.Release != "" {
		s += " by " + r.Release
	}
	return s
}

// FindNewerRun returns the first run of the newest version after the first success of version, or nil
// if there is none. Runs that failed count if they changed the schema, or if that is not known.
func (tools *Tools) FindNewerRun(ctx context.Context, version string) (*NewerRun, error) {
	if has, err := tools.hasToolVersion(ctx); err != nil || !has {
		return nil, err
	}
	table := tools.toolHistoryTable()
	var r NewerRun
	// The first runs have the order of the versions: a version that is deployed again is not a newer one.
	err := tools.session.QueryRow(ctx, `WITH first AS (SELECT min(run_id) AS run_id FROM `+table+`
			WHERE run_outcome = 'succeeded' OR schema_before IS DISTINCT FROM schema_after GROUP BY run_tool_version)
		SELECT run_tool_version, concat_ws(', ', run_release, 'revision ' || run_revision, 'namespace ' || run_namespace), run_started_at
		FROM `+table+` JOIN first USING (run_id) WHERE run_tool_version IS NOT NULL
			AND run_id > (SELECT min(run_id) FROM `+table+` WHERE run_outcome = 'succeeded' AND run_tool_version = `+postgres.LiteralOrNull(version)+`)
		ORDER BY run_id DESC LIMIT 1`).Scan(&r.Version, &r.Release, &r.Started)
	if errors.Is(err, sql.ErrNoRows) || pq.As(err, pqerror.InsufficientPrivilege) != nil {
		return nil, nil
	}
	if err != nil {
		return nil, tools.session.ClassifyError(ctx, err)
	}
	return &r, nil
}

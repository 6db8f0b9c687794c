package activity

import (
	"fmt"
	"strings"
)

// backendProgress is a row of a pg_stat_progress_* view. A column that the view or the server
// version does not have is 0.
type backendProgress struct {
	View     string `json:"view"`     // suffix of the view's name, such as "create_index"
	Relation string `json:"relation"` // empty while the relation is not visible to other sessions
	Command  string `json:"command"`
	Phase    string `json:"phase"` // as PostgreSQL reports it

	LockersTotal    int64 `json:"lockers_total"`
	LockersDone     int64 `json:"lockers_done"`
	BlocksTotal     int64 `json:"blocks_total"`
	BlocksDone      int64 `json:"blocks_done"`
	TuplesTotal     int64 `json:"tuples_total"`
	TuplesDone      int64 `json:"tuples_done"`
	PartitionsTotal int64 `json:"partitions_total"`
	PartitionsDone  int64 `json:"partitions_done"`

	BytesTotal      int64 `json:"bytes_total"`
	BytesProcessed  int64 `json:"bytes_processed"`
	TuplesProcessed int64 `json:"tuples_processed"`

	HeapTotal        int64 `json:"heap_blks_total"`
	HeapScanned      int64 `json:"heap_blks_scanned"`
	HeapVacuumed     int64 `json:"heap_blks_vacuumed"`
	IndexesTotal     int64 `json:"indexes_total"`     // since PostgreSQL 17
	IndexesProcessed int64 `json:"indexes_processed"` // since PostgreSQL 17
	IndexPasses      int64 `json:"index_vacuum_count"`
	TuplesScanned    int64 `json:"heap_tuples_scanned"`
	TuplesWritten    int64 `json:"heap_tuples_written"`
	TuplesInserted   int64 `json:"heap_tuples_inserted"` // REPACK's name for tuples_written
	IndexesRebuilt   int64 `json:"index_rebuild_count"`

	SampleTotal     int64 `json:"sample_blks_total"`
	SampleScanned   int64 `json:"sample_blks_scanned"`
	ChildrenTotal   int64 `json:"child_tables_total"`
	ChildrenDone    int64 `json:"child_tables_done"`
	StatisticsTotal int64 `json:"ext_stats_total"`
	StatisticsDone  int64 `json:"ext_stats_computed"`
}

// workCount is the progress of a phase. total is 0 if PostgreSQL does not report it.
type workCount struct {
	unit        string
	done, total int64
}

func (c workCount) share() (float64, bool) {
	if c.total <= 0 || c.done < 0 {
		return 0, false
	}
	return min(float64(c.done)/float64(c.total), 1), true
}

// phaseWork returns the progress of the current phase. Which columns are valid depends on the
// phase; other columns keep their previous values (monitoring.sgml, "Progress Reporting").
func (p *backendProgress) phaseWork() workCount {
	switch p.View {
	case "create_index":
		return p.indexPhaseWork()
	case "copy":
		if p.BytesTotal > 0 { // COPY FROM a file
			return workCount{"bytes", p.BytesProcessed, p.BytesTotal}
		}
		return workCount{"rows", p.TuplesProcessed, 0}
	case "vacuum":
		switch p.Phase {
		case "scanning heap":
			return workCount{"blocks", p.HeapScanned, p.HeapTotal}
		case "vacuuming heap":
			return workCount{"blocks", p.HeapVacuumed, p.HeapTotal}
		case "vacuuming indexes", "cleaning up indexes":
			return workCount{"indexes", p.IndexesProcessed, p.IndexesTotal}
		}
	case "cluster", "repack":
		switch p.Phase {
		case "seq scanning heap":
			return workCount{"blocks", p.HeapScanned, p.HeapTotal}
		case "index scanning heap":
			return workCount{"rows", p.TuplesScanned, 0}
		case "writing new heap": // of the tuples that were sorted
			return workCount{"rows", p.TuplesWritten + p.TuplesInserted, p.TuplesScanned}
		case "rebuilding index":
			return workCount{"indexes", p.IndexesRebuilt, 0}
		}
	case "analyze":
		switch p.Phase {
		case "acquiring sample rows":
			return workCount{"blocks", p.SampleScanned, p.SampleTotal}
		case "acquiring inherited sample rows":
			return workCount{"tables", p.ChildrenDone, p.ChildrenTotal}
		case "computing extended statistics":
			return workCount{"statistics", p.StatisticsDone, p.StatisticsTotal}
		}
	}
	return workCount{}
}

// indexPhaseWork returns the progress of an index build. An access method without phase names of
// its own scans the table and may then sort the result.
func (p *backendProgress) indexPhaseWork() workCount {
	switch phase := p.Phase; {
	case strings.HasPrefix(phase, "waiting"):
		return workCount{"lockers", p.LockersDone, p.LockersTotal}
	case strings.Contains(phase, "sorting"):
		return workCount{}
	case strings.Contains(phase, "loading"), phase == "building index" && p.TuplesDone > 0:
		return workCount{"rows", p.TuplesDone, p.TuplesTotal}
	case strings.Contains(phase, "scanning"), phase == "building index":
		return workCount{"blocks", p.BlocksDone, p.BlocksTotal}
	}
	return workCount{}
}

// phaseKey distinguishes passes and partitions, whose counts restart at zero.
func (p *backendProgress) phaseKey() string {
	return fmt.Sprint(p.Phase, p.PartitionsDone, p.IndexPasses, p.ChildrenDone, p.phaseWork().total)
}

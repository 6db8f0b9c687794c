package output

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/check/finding"
)

// A sarifLog is a log of SARIF 2.1.0, as far as this program fills it (OASIS, "Static Analysis
// Results Interchange Format").
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string       `json:"id"`
	ShortDescription     sarifMessage `json:"shortDescription"`
	HelpURI              string       `json:"helpUri"`
	DefaultConfiguration sarifLevel   `json:"defaultConfiguration"`
}

type sarifLevel struct {
	Level string `json:"level"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID              string            `json:"ruleId"`
	RuleIndex           int               `json:"ruleIndex"`
	Level               string            `json:"level"`
	Message             sarifMessage      `json:"message"`
	Locations           []sarifLocation   `json:"locations"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	PhysicalLocation sarifPhysicalLocation `json:"physicalLocation"`
}

type sarifPhysicalLocation struct {
	ArtifactLocation sarifArtifact `json:"artifactLocation"`
	Region           sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId,omitempty"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

func sarifOf(r check.Result, version string) sarifLog {
	driver := sarifDriver{Name: "shiplock", Version: version, InformationURI: "https://github.com/shiplock/shiplock"}
	index := map[string]int{}
	for i, rule := range finding.Rules {
		index[rule.ID] = i
		driver.Rules = append(driver.Rules, sarifRule{ID: rule.ID, ShortDescription: sarifMessage{rule.Title}, HelpURI: DocsURL + rule.ID + ".md",
			DefaultConfiguration: sarifLevel{string(rule.Severity)}})
	}
	run := sarifRun{Tool: sarifTool{driver}, Results: []sarifResult{}}
	for _, f := range r.Findings {
		at := sarifPhysicalLocation{ArtifactLocation: artifactOf(pathOf(r, f.File)), Region: sarifRegion{f.Line}}
		run.Results = append(run.Results, sarifResult{RuleID: f.Rule, RuleIndex: index[f.Rule], Level: string(f.Severity), Message: sarifMessage{messageOf(f)},
			Locations: []sarifLocation{{at}}, PartialFingerprints: map[string]string{"shiplock/v1": fingerprint(f)}})
	}
	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

// artifactOf returns the location of a file, whose URI is relative to the root of the repository.
func artifactOf(path string) sarifArtifact {
	u := url.URL{Path: path}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
		return sarifArtifact{URI: u.String()}
	}
	return sarifArtifact{URI: u.EscapedPath(), URIBaseID: "%SRCROOT%"}
}

// messageOf returns a finding's message, its lock and what to write instead.
func messageOf(f finding.Finding) string {
	out := f.Message
	if f.Lock != nil {
		out += "\nLock: " + lockText(*f.Lock)
	}
	if f.Instead != "" {
		out += "\nInstead: " + f.Instead
	}
	return out
}

// fingerprint identifies a finding independently of its line, so that a platform recognizes it after
// lines above it have changed.
func fingerprint(f finding.Finding) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{f.Rule, f.File, f.Message, fmt.Sprint(f.Statement)}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// A codeQualityIssue is an entry of GitLab's code quality report.
type codeQualityIssue struct {
	Description string              `json:"description"`
	CheckName   string              `json:"check_name"`
	Fingerprint string              `json:"fingerprint"`
	Severity    string              `json:"severity"`
	Location    codeQualityLocation `json:"location"`
}

type codeQualityLocation struct {
	Path  string           `json:"path"`
	Lines codeQualityLines `json:"lines"`
}

type codeQualityLines struct {
	Begin int `json:"begin"`
}

// codeQualitySeverities are GitLab's severities.
var codeQualitySeverities = map[finding.Severity]string{finding.Error: "critical", finding.Warning: "minor"}

func codeQuality(r check.Result) []codeQualityIssue {
	issues := []codeQualityIssue{}
	for _, f := range r.Findings {
		issues = append(issues, codeQualityIssue{Description: f.Message, CheckName: f.Rule, Fingerprint: fingerprint(f), Severity: codeQualitySeverities[f.Severity],
			Location: codeQualityLocation{pathOf(r, f.File), codeQualityLines{f.Line}}})
	}
	return issues
}

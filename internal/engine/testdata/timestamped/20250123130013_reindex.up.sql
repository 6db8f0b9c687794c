REINDEX TABLE readings;

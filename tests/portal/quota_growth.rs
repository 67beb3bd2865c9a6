//! How much room a request takes for good: a row of raw use with all its indexes.

use crate::support::{Keyholder, connection};

const ROWS: i64 = 100_000;
/// What the schema allows: a row of 172 bytes on its page, 58 in the primary key, 22 in the index by end, 8 in that by key,
/// and in that by model 40 to 80, as pages split in the middle; the rest is room.
const MOST_BYTES_PER_ROW: i64 = 360;

async fn bytes(conn: &mut sqlx::PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint
         FROM pg_inherits WHERE inhparent = 'usage_records'::regclass",
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

#[actix_web::test]
async fn a_hundred_thousand_requests_take_no_more_room_than_the_schema_allows() {
    let holder = Keyholder::start(10_000, 100).await;
    let mut conn = connection(&holder.app).await;
    let before = bytes(&mut conn).await;
    let mut tx = holder.app.owner_tx().await;
    // Past the triggers, for the keys and models are made up. A request each 25 seconds: a month of twenty keys of three
    // institutions and five models, on two replicas; ids in the order of time, as the gateway gives them.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "SET LOCAL session_replication_role = replica;
         INSERT INTO usage_records (request_id, api_key_id, institution_id, model_id, day, prompt_tokens,
             completion_tokens, outcome, is_streamed, started_at, ended_at, replica_id, cost_micros)
         SELECT (lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
                 || '8' || substr(md5(n::text), 4, 15))::uuid,
             md5('key' || n % 20)::uuid, md5('institution' || n % 3)::uuid, md5('model' || n % 5)::uuid,
             (t AT TIME ZONE 'Europe/Amsterdam')::date, 200 + n % 700, 100 + n % 900,
             CASE n % 50 WHEN 0 THEN 'cut' ELSE 'completed' END, n % 2 = 0, t,
             t + make_interval(secs => 1 + (n % 97) / 10.0), md5('replica' || n % 2)::uuid, 3150 + n
         FROM generate_series(1, {ROWS}) n
         CROSS JOIN LATERAL (SELECT timestamptz '2026-10-01 00:00:00Z' + n * interval '25 seconds' AS t) AS times
         ORDER BY n"
    )))
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let each = (bytes(&mut conn).await - before) / ROWS;
    eprintln!("usage_records: {each} bytes a request, indexes included, over {ROWS} requests");
    assert!(each > 0, "they are there");
    assert!(each <= MOST_BYTES_PER_ROW, "{each} bytes a row");
}

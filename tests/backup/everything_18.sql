-- What PostgreSQL 18 has besides.
alter event trigger watchful disable;
create table virtually (id int primary key, v int, twice int generated always as (v * 2) virtual,
    plus int generated always as (v + 1) stored);
insert into virtually values (1, 2), (2, null);
create table enforced_not (id int primary key, a int references a not enforced,
    check (id > 0) not enforced);
insert into enforced_not values (1, 4711);
create table periods (id int4range, valid daterange, primary key (id, valid without overlaps));
insert into periods values ('[1,2)', '[2026-01-01,2026-02-01)');
create table nullable (x int, y int, constraint y_there not null y);
insert into nullable values (null, 1);
create table not_yet (x int);
insert into not_yet values (null);
alter table not_yet add constraint x_there not null x not valid;
create table numbered (id int generated always as identity, at date) partition by range (at);
create table numbered_1 partition of numbered default;
insert into numbered (at) values ('2026-01-01'), ('2026-01-02');
alter event trigger watchful enable;
